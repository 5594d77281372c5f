"""The supervisor of services, which are started and stopped with the host. `process.service` entries are processes that are started
again when they fail; `queue.consumer` entries call functions with the messages of a queue.

A process is up when its main has first waited, or has ended well. What depends on a service starts when that is up, and
stops before it. Where nothing is said, consumers start first and stop last, so that what services publish at their end is
still handled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any, TypeVar

from runtime.errors import Error
from runtime.process.host_port import HostPort
from runtime.process.services.base import ServiceKeeper
from runtime.process.services.outbox_relay import OutboxRelayKeeper
from runtime.process.services.process_service import ProcessServiceKeeper
from runtime.process.services.queue_consumer import QueueConsumerKeeper, drained
from runtime.process.services.states import ServiceStates
from runtime.registry import ProcessService, QueueConsumer, Registry
from runtime.registry.kinds.outbox import OutboxRelay
from runtime.registry.models import ServiceEntry as Entry

_log = logging.getLogger("evermoon.services")
E = TypeVar("E", bound=Entry)


class Supervisor:
    """The supervisor of one host's services. `start` and `stop` may be called in any order, any number of times."""

    def __init__(self, host: HostPort) -> None:
        self._host = host
        self._services: dict[str, ServiceKeeper] = {}
        self._changes = asyncio.Lock()
        self._reloading: asyncio.Task[None] | None = None
        self._started = False
        self.states = ServiceStates()

    @property
    def running(self) -> dict[str, str]:
        """PIDs by service."""
        return {id: service.pid for id, service in self._services.items() if service.pid is not None}

    async def start(self, *, everything: bool = True) -> None:
        """Starts every service that starts by itself, what others depend on first; or of processes only those that are `everywhere`.

        Returns when each is up or has failed for the first time; one that failed is tried again, and so is what waits for it.
        """
        self._started = self.states.services = True
        self.states.everything = everything
        async with self._changes:
            await self._adjust()

    async def stop(self) -> None:
        """Stops them, those that others depend on last; each has its `stop_timeout` to end in.

        Before the first consumer stops, all that are left empty their queues together: one may publish to another.
        """
        self._started = False
        if self._reloading is not None:
            self._reloading.cancel()
        async with self._changes:
            emptied = False
            while self._services:
                _, service = self._services.popitem()
                if isinstance(service, QueueConsumerKeeper) and not emptied:
                    emptied = True
                    await drained(
                        [service, *(s for s in self._services.values() if isinstance(s, QueueConsumerKeeper))]
                    )
                await service.stop()

    def reload(self) -> None:
        """After a change of the registry: what is new starts, what is gone stops, what has other code or input starts anew.

        Of one that is up, what its `lifecycle` says holds from now on; one that is down and has another starts anew.
        """
        if self._started:
            if self._reloading is not None:
                self._reloading.cancel()
            self._reloading = asyncio.create_task(self._reload(), name="services")

    async def _reload(self) -> None:
        try:
            async with self._changes:
                await self._adjust()
        except Error as error:
            _log.error("services are as before: %s", error)

    async def _adjust(self) -> None:
        registry = self._host.registry
        wanted = {entry.id: entry for entry in in_order(registry, _entries(registry, self.states.everything))}
        marks = {id: _mark(self._host, entry) for id, entry in wanted.items()}
        for id, service in reversed(list(self._services.items())):
            if marks.get(id) != service.mark or not _goes_on(service, wanted[id]):
                await service.stop()
                del self._services[id]
        for id, entry in wanted.items():
            if id not in self._services:
                self._services[id] = self._made(entry, marks[id])
        self._services = {id: self._services[id] for id in wanted}
        for service in self._services.values():
            service.start()
        await asyncio.gather(*(service.state.tried.wait() for service in self._services.values()))

    def _made(self, entry: Entry, mark: Any) -> ServiceKeeper:
        state, needed = self.states.of(entry.id), self.states.awaited(self._host.registry, entry.id)
        if isinstance(entry, QueueConsumer):
            return QueueConsumerKeeper(self._host, entry, mark, state, needed)
        if isinstance(entry, OutboxRelay):
            return OutboxRelayKeeper(self._host, entry, mark, state, needed)
        assert isinstance(entry, ProcessService)
        return ProcessServiceKeeper(self._host, entry, mark, state, needed)


def in_order(registry: Registry, entries: Iterable[E]) -> list[E]:
    """What others depend on first. A registry with a circle does not load."""
    by_id = {entry.id: entry for entry in entries}
    seen: set[str] = set()
    ordered: list[E] = []

    def visit(id: str) -> None:
        if id not in seen:
            seen.add(id)
            for other in registry.services.awaited(id):
                visit(other)
            if id in by_id:
                ordered.append(by_id[id])

    for id in by_id:
        visit(id)
    return ordered


def _goes_on(service: ServiceKeeper, entry: Entry) -> bool:
    return service.entry.lifecycle == entry.lifecycle or service.adopt(entry)


def _entries(registry: Registry, everything: bool) -> list[Entry]:
    """A queue may be in memory, so whoever takes from it is in each process; of outboxes, each process sends on what no other is sending."""
    processes = [entry for entry in registry.of_kind(ProcessService) if everything or entry.everywhere]
    entries: list[Entry] = [*registry.of_kind(QueueConsumer), *registry.of_kind(OutboxRelay), *processes]
    return [registry.resolve(entry) for entry in entries if entry.id in registry.services.started]


def _mark(host: HostPort, entry: Entry) -> Any:
    """Equal for a service that need not start anew."""
    if isinstance(entry, QueueConsumer):
        return entry.queue, entry.func, entry.concurrency, entry.prefetch
    if isinstance(entry, OutboxRelay):
        return entry.database, entry.table, entry.concurrency, entry.lease, entry.remember
    assert isinstance(entry, ProcessService)
    return entry.process, entry.host, entry.input, host.programs.get(entry.process).bundle
