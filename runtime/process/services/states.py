"""The states of the services of one host: which are up. Whoever keeps a service up says so here, and whoever depends on it waits here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from runtime.registry import HttpService, ProcessService, QueueConsumer, Registry, TemporalWorker
from runtime.registry.kinds.outbox import OutboxRelay
from runtime.registry.models import ServiceEntry


@dataclass(frozen=True, slots=True)
class ServiceState:
    """`tried` is set once the service is up or has failed for the first time, `up` while it is up."""

    tried: asyncio.Event = field(default_factory=asyncio.Event)
    up: asyncio.Event = field(default_factory=asyncio.Event)

    def is_up(self) -> None:
        self.up.set()
        self.tried.set()

    def has_failed(self) -> None:
        self.up.clear()
        self.tried.set()

    def has_ended(self) -> None:
        self.up.clear()
        self.tried.clear()


@dataclass(slots=True)
class ServiceStates:
    """What a host keeps up: `workers`, `http`, and of `process.service` entries `everything` or only those that are `everywhere`.

    A service that another host keeps up is not waited for.
    """

    workers: bool = False
    http: bool = False
    services: bool = False
    everything: bool = True
    _states: dict[str, ServiceState] = field(default_factory=dict)

    def of(self, id: str) -> ServiceState:
        return self._states.setdefault(id, ServiceState())

    def awaited(self, registry: Registry, id: str) -> list[ServiceState]:
        """What must be up before `id` starts."""
        found = (registry.get(other) for other in registry.services.awaited(id))
        return [self.of(entry.id) for entry in found if isinstance(entry, ServiceEntry) and self._keeps(entry)]

    def _keeps(self, entry: ServiceEntry) -> bool:
        if isinstance(entry, TemporalWorker):
            return self.workers
        if isinstance(entry, HttpService):
            return self.http
        if isinstance(entry, ProcessService):
            return self.services and (self.everything or entry.everywhere)
        return self.services and isinstance(entry, QueueConsumer | OutboxRelay)


async def all_up(states: Iterable[ServiceState]) -> None:
    """Waits until each of them has been up."""
    for state in states:
        await state.up.wait()
