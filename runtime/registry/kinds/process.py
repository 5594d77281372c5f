"""The hosts of processes, and the processes that are always there."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from runtime.registry.models import Lifecycle, Reference, ServiceEntry
from runtime.registry.units import Opaque


class ProcessHostEntry(ServiceEntry):
    """A place for processes: `process.spawn` names it, and their PIDs do. A spawn beyond `max_processes` is refused."""

    KIND = "process.host"
    LIFECYCLE = ServiceEntry.LIFECYCLE | {"stop_timeout"}

    kind: Literal["process.host"]
    max_processes: int = Field(default=10_000, ge=1)


class ProcessService(ServiceEntry):
    """A process that is started with the runtime, started again when it fails, and stopped with the runtime.

    `input` is its argument; a list has one argument in each place. `everywhere`: in each process of `serve --processes`, rather than in the first alone.
    """

    KIND = "process.service"
    LIFECYCLE = frozenset(Lifecycle.model_fields)
    IS_STARTED = True
    REFERENCES: ClassVar[tuple[Reference, ...]] = (
        *ServiceEntry.REFERENCES,
        Reference(("process",), ("process.lua",)),
        Reference(("host",), ("process.host",)),
    )

    kind: Literal["process.service"]
    process: str
    host: str
    input: Opaque = None
    everywhere: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.host, *super().needs)
