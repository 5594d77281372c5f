"""A count of the bundles that open runs need."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from runtime.registry import Registry, TemporalClient
from runtime.temporal import wire
from runtime.temporal.client import rpc
from runtime.temporal.client.clients import Clients

_OPEN = "ExecutionStatus='Running'"


@dataclass(frozen=True, slots=True)
class BundleUse:
    """The numbers of open runs by the hash they are pinned to, and the workflow types of the runs that do not say."""

    runs: Counter[str] = field(default_factory=Counter)
    unknown: set[str] = field(default_factory=set)


async def bundle_use(registry: Registry, clients: Clients) -> BundleUse:
    """As the namespaces of all clients of the registry tell. Raises `Error` UNAVAILABLE when one of them does not answer."""
    use = BundleUse()
    for entry in registry.of_kind(TemporalClient):
        client = await clients.get(entry.id)
        with rpc.mapped():
            async for execution in client.list_workflows(_OPEN, rpc_timeout=rpc.TIMEOUT):
                bundle = await execution.memo_value(wire.MEMO_BUNDLE, None)
                if isinstance(bundle, str):
                    use.runs[bundle] += 1
                else:
                    use.unknown.add(execution.workflow_type)
    return use
