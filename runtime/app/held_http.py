"""The HTTP services that do not listen yet, since a service that they depend on is not up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from runtime.errors import Error
from runtime.process.services.states import ServiceStates, all_up
from runtime.registry import HttpService, Registry

_log = logging.getLogger("evermoon.services")


class HeldHttp:
    """Knows which HTTP services are held back, and calls `release` when one need not be any more. One that listens goes on, whatever becomes of what it depends on."""

    def __init__(self, states: ServiceStates, release: Callable[[], Awaitable[None]]) -> None:
        self._states = states
        self._release = release
        self._waiting: set[asyncio.Task[None]] = set()

    def holds(self, registry: Registry, id: str) -> bool:
        return any(not needed.up.is_set() for needed in self._states.awaited(registry, id))

    def expect(self, registry: Registry) -> None:
        """Before anything starts: what depends on HTTP does not hold up the start, which HTTP is the end of."""
        for entry in registry.of_kind(HttpService):
            self._states.of(entry.id).tried.set()

    def watch(self, registry: Registry, listening: set[str]) -> None:
        """From now on for this registry; `listening` are the ids of those that listen."""
        self.stop()
        for entry in registry.of_kind(HttpService):
            state = self._states.of(entry.id)
            if entry.id in listening:
                state.is_up()
            else:
                state.has_failed()
            if entry.id in registry.services.started and entry.id not in listening:
                self._waiting.add(asyncio.create_task(self._wait(registry, entry.id), name=f"{entry.id} waits"))

    def stop(self) -> None:
        """Whoever called `release` is let end: it may be the caller of this."""
        waiting, self._waiting = self._waiting, set()
        for task in waiting - {asyncio.current_task()}:
            task.cancel()

    async def _wait(self, registry: Registry, id: str) -> None:
        await all_up(self._states.awaited(registry, id))
        try:
            await self._release()
        except Error as error:
            _log.error("service %s does not start: %s", id, error)
