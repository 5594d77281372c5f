"""An interceptor that adds headers to what a client sends, since the SDK's own calls take none.

Outgoing headers are put into a context variable around the one SDK call they are for; the interceptor, which the SDK runs
inside that call, takes them from there. Calls made by other code of the same client or worker find the variable empty and
pass untouched, so the interceptors are harmless beside other people's workflows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

import temporalio.client
from temporalio.api.common.v1 import Payload as Proto

Headers = Mapping[str, Proto]

NONE: Headers = MappingProxyType({})
_outgoing: ContextVar[Headers] = ContextVar("evermoon_outgoing_headers", default=NONE)


@contextmanager
def outgoing(headers: Headers) -> Iterator[None]:
    """SDK calls made inside send these headers."""
    token = _outgoing.set(headers)
    try:
        yield
    finally:
        # A run that is dropped while it waits here is closed in a context of somebody else's, where nothing was set.
        with suppress(ValueError):
            _outgoing.reset(token)


def merge(input: Any) -> None:
    """Puts the outgoing headers on an SDK call's input."""
    headers = _outgoing.get()
    if headers:
        input.headers = {**input.headers, **headers}


class ClientInterceptor(temporalio.client.Interceptor):
    def intercept_client(self, next: temporalio.client.OutboundInterceptor) -> temporalio.client.OutboundInterceptor:
        return _ClientOutbound(next)


class _ClientOutbound(temporalio.client.OutboundInterceptor):
    async def start_workflow(
        self, input: temporalio.client.StartWorkflowInput
    ) -> temporalio.client.WorkflowHandle[Any, Any]:
        merge(input)
        return await super().start_workflow(input)

    async def signal_workflow(self, input: temporalio.client.SignalWorkflowInput) -> None:
        merge(input)
        await super().signal_workflow(input)

    async def query_workflow(self, input: temporalio.client.QueryWorkflowInput) -> Any:
        merge(input)
        return await super().query_workflow(input)

    async def start_workflow_update(
        self, input: temporalio.client.StartWorkflowUpdateInput
    ) -> temporalio.client.WorkflowUpdateHandle[Any]:
        merge(input)
        return await super().start_workflow_update(input)
