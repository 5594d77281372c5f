"""The supervisor of services, which are started and stopped with the host. `process.service` entries are processes that are started
again when they fail; `queue.consumer` entries call functions with the messages of a queue.

A process is up when its main has first waited, or has ended well. What depends on a service starts when that is up, and
stops before it. Where nothing is said, consumers start first and stop last, so that what services publish at their end is
still handled.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, TypeVar

from runtime.backoff import Backoff
from runtime.contracts import StartRequest
from runtime.errors import Error, timed_out
from runtime.payload import Payload
from runtime.process.lua_run import LuaRun
from runtime.process.services.base import ServiceKeeper
from runtime.process.services.queue_consumer import QueueConsumerKeeper, drained
from runtime.registry import ProcessService, QueueConsumer
from runtime.registry.models import ServiceEntry as Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runtime.process.host import ProcessHost

_log = logging.getLogger("evermoon.services")
E = TypeVar("E", bound=Entry)

_STOPPING = "service stopped"


class Supervisor:
    """The supervisor of one host's services. `start` and `stop` may be called in any order, any number of times."""

    def __init__(self, host: ProcessHost) -> None:
        self._host = host
        self._services: dict[str, ServiceKeeper] = {}
        self._changes = asyncio.Lock()
        self._reloading: asyncio.Task[None] | None = None
        self._started = False
        self._everything = True

    @property
    def running(self) -> dict[str, str]:
        """PIDs by service."""
        return {id: service.pid for id, service in self._services.items() if service.pid is not None}

    async def start(self, *, everything: bool = True) -> None:
        """Starts every service that starts by itself, what others depend on first; or of processes only those that are `everywhere`.

        Returns when each is up or has failed for the first time; one that failed is tried again, and so is what waits for it.
        """
        self._started, self._everything = True, everything
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
        """After a change of the registry: what is new starts, what is gone stops, what has other code or input starts anew."""
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
        wanted = {entry.id: entry for entry in in_order(_entries(self._host, self._everything))}
        marks = {id: _mark(self._host, entry) for id, entry in wanted.items()}
        for id, service in reversed(list(self._services.items())):
            if marks.get(id) != service.mark:
                await service.stop()
                del self._services[id]
        for id, entry in wanted.items():
            if id not in self._services:
                needed = [self._services[other] for other in entry.lifecycle.depends_on if other in self._services]
                self._services[id] = self._made(entry, marks[id], needed)
        self._services = {id: self._services[id] for id in wanted}
        for service in self._services.values():
            service.start()
        await asyncio.gather(*(service.tried.wait() for service in self._services.values()))

    def _made(self, entry: Entry, mark: Any, needed: Sequence[ServiceKeeper]) -> ServiceKeeper:
        if isinstance(entry, QueueConsumer):
            return QueueConsumerKeeper(self._host, entry, mark, needed)
        assert isinstance(entry, ProcessService)
        return ProcessServiceKeeper(self._host, entry, mark, needed)


class ProcessServiceKeeper(ServiceKeeper):
    """The keeper of one `process.service`, which starts its process again when that fails."""

    def __init__(self, host: ProcessHost, entry: ProcessService, mark: Any, needed: Sequence[ServiceKeeper]) -> None:
        super().__init__(entry, mark, needed)
        self._host = host
        self._entry = entry
        self._run: LuaRun | None = None
        self._up_since = float("inf")

    async def stop(self) -> None:
        await self._cancel()
        if self._run is not None:
            await self._run.wind_down(_STOPPING, self.entry.lifecycle.stop_timeout.total_seconds())

    async def _keep_up(self) -> None:
        await self._wait_for_needed()
        restart = self._entry.lifecycle.restart
        longest = restart.max_delay.total_seconds()
        backoff = Backoff(restart.initial_delay.total_seconds(), longest, restart.backoff_factor)
        while True:
            self._up_since = float("inf")
            error = await self._once()
            self.tried.set()
            self._tell("service.stopped" if error is None else "service.failed", error)
            if error is None:
                return
            self.up.clear()
            if time.monotonic() - self._up_since > longest:
                backoff.reset()
            delay = backoff.failed()
            if restart.max_attempts and backoff.failures > restart.max_attempts:
                _log.error("service %s has failed %d times and stays down: %s", self._entry.id, backoff.failures, error)
                return
            _log.warning("service %s failed, starts again in %g s: %s", self._entry.id, delay, error)
            await asyncio.sleep(delay)

    async def _once(self) -> Error | None:
        """One process of it, from its start to its end: None when that was a good one."""
        try:
            self._run = run = self._spawned()
            self.pid = run.pid
            await self._settled(run)
            self.tried.set()
            await run.ended()
            run.result()
        except Error as error:
            return error
        finally:
            self.pid = None
        return None

    def _spawned(self) -> LuaRun:
        entry = self._entry
        args = entry.input if isinstance(entry.input, tuple) else () if entry.input is None else (entry.input,)
        request = StartRequest(entry.process, [Payload.of(arg) for arg in args], worker=entry.host)
        run = self._host.spawn(request)
        assert isinstance(run, LuaRun)
        return run

    async def _settled(self, run: LuaRun) -> None:
        """Raises `Error` when it failed, or did not come up in time."""
        limit = self._entry.lifecycle.start_timeout.total_seconds()
        try:
            async with asyncio.timeout(limit):  # not wait_for, which may swallow the cancellation by `stop`
                await run.settled.wait()
        except TimeoutError:
            await run.wind_down(_STOPPING, 0)
            raise timed_out(f"{self._entry.id} did not start within {limit:g} s") from None
        if run.is_over:
            await run.ended()
            run.result()
        self._up_since = time.monotonic()
        self.up.set()
        self._tell("service.started")

    def _tell(self, kind: str, error: Error | None = None) -> None:
        said = {} if error is None else {"error": {"kind": error.kind, "message": str(error)}}
        self._host.events.tell(kind, self._entry.id, {"pid": self._run.pid if self._run else "", **said})


def in_order(entries: Iterable[E]) -> list[E]:
    """What others depend on first. A registry with a circle does not load."""
    by_id = {entry.id: entry for entry in entries}
    ordered: dict[str, E] = {}

    def visit(id: str) -> None:
        if id in by_id and id not in ordered:
            for other in by_id[id].lifecycle.depends_on:
                visit(other)
            ordered[id] = by_id[id]

    for id in by_id:
        visit(id)
    return list(ordered.values())


def _entries(host: ProcessHost, everything: bool) -> list[Entry]:
    """A queue is in memory, so whoever takes from it is in each process."""
    registry = host.registry
    processes = [entry for entry in registry.of_kind(ProcessService) if everything or entry.everywhere]
    entries: list[Entry] = [*registry.of_kind(QueueConsumer), *processes]
    return [entry for entry in map(registry.resolve, entries) if entry.lifecycle.auto_start]


def _mark(host: ProcessHost, entry: Entry) -> Any:
    """Equal for a service that need not start anew."""
    if isinstance(entry, QueueConsumer):
        return entry.queue, entry.func, entry.concurrency, entry.prefetch
    assert isinstance(entry, ProcessService)
    return entry.process, entry.host, entry.input, host.programs.get(entry.process).bundle
