"""The services that handlers use. One object for all services of a server, so that a reload changes it in one place."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from runtime.contracts import Trigger, Workflows
from runtime.http.guarded import Guarded
from runtime.http.host_metrics import Hibernation, Publishing, no_hibernation, no_publishing
from runtime.payload import Payload
from runtime.principal import Caller, Principal
from runtime.process.describe import ProcessDescription
from runtime.registry import Registry


class Functions(Protocol):
    """The part of the process host that HTTP needs: run a function with a request in its hands."""

    async def call(
        self,
        entry_id: str,
        args: Sequence[Payload],
        *,
        caller: Caller = ...,
        trigger: Trigger = ...,
        timeout: float | None = ...,
        former: Registry | None = ...,
    ) -> Payload: ...


class Processes(Protocol):
    """The processes of this host."""

    async def processes(self) -> Sequence[ProcessDescription]: ...
    async def describe(self, pid: str, *, stack: bool = False) -> ProcessDescription: ...


class Schedule(Protocol):
    """A schedule on a server, as a dataclass that is JSON."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def entry(self) -> str: ...


class SchedulesPort(Protocol):
    """The schedules on the servers of the registry's workers."""

    async def list(self) -> Sequence[Schedule]: ...


class CodecPort(Protocol):
    """How payloads of Temporal clients are written and read. A body is the JSON of `temporal.api.common.v1.Payloads`."""

    def client(self, namespace: str) -> str:
        """The id of the client of a namespace, "" for the first of all. Raises `Error` NOT_FOUND."""
        ...

    async def decode(self, client: str, body: bytes) -> bytes: ...
    async def encode(self, client: str, body: bytes) -> bytes: ...


#: What is missing before requests can be served, as sentences; empty when all is well.
Readiness = Callable[[], Awaitable[Sequence[str]]]


async def always_ready() -> Sequence[str]:
    return ()


@dataclass(slots=True)
class Backend:
    """The services that handlers use. `stopping` is set when the server begins to drain; handlers that wait give up then with what they have."""

    registry: Registry
    functions: Functions
    workflows: Workflows
    ready: Readiness = always_ready
    processes: Processes | None = None
    hibernation: Hibernation = no_hibernation
    publishing: Publishing = no_publishing
    schedules: Callable[[], SchedulesPort] | None = None
    codec: Callable[[Registry], CodecPort] | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def workflows_for(self, principal: Principal) -> Workflows:
        """The runs, as far as the principal's scope goes."""
        return self.workflows if principal.scope is None else Guarded(self.workflows, self.registry, principal)
