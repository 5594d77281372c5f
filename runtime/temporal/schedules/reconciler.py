"""The background task that makes the server's schedules match the registry, at start and after each reload."""

from __future__ import annotations

import asyncio
import logging

from runtime.backoff import Backoff
from runtime.errors import UNAVAILABLE, Error
from runtime.registry import Registry, TemporalSchedule
from runtime.temporal.client.clients import Clients
from runtime.temporal.schedules.sync import match

_log = logging.getLogger("evermoon.schedules")


class ScheduleReconciler:
    """A task that synchronises schedules once, and once more after every `use`. While a server does not answer it tries again, with growing pauses; what
    cannot be done for another reason is logged, and stays undone until the next look.
    """

    def __init__(self, registry: Registry, clients: Clients) -> None:
        self._registry = registry
        self._clients = clients
        self._before: set[str] = set()
        self._due = asyncio.Event()
        self._matched = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._due.set()
        self._task = asyncio.create_task(self._keep(), name="schedules")

    def use(self, registry: Registry) -> None:
        """From now on these entries are what the server's schedules are to be."""
        self._before |= {entry.id for entry in self._registry.of_kind(TemporalSchedule)}
        self._registry = registry
        self._matched.clear()
        self._due.set()

    async def matched(self) -> None:
        """Waits until the server was last looked at with the entries of today."""
        await self._matched.wait()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _keep(self) -> None:
        backoff = Backoff()
        while True:
            await self._due.wait()
            self._due.clear()
            if await self._look(told=backoff.failures > 0):
                await backoff.pause(until=self._due)
                self._due.set()
            else:
                backoff.reset()

    async def _look(self, told: bool) -> bool:
        """Whether a server did not answer."""
        registry = self._registry
        try:
            errors = await match(registry, self._clients, frozenset(self._before))
        except Error as error:
            errors = [error]
        except Exception:
            _log.exception("schedules could not be matched to the registry")
            errors = []
        absent = any(error.kind == UNAVAILABLE for error in errors)
        self._tell(errors, told)
        if not self._due.is_set():
            if not absent:
                self._before.clear()
            self._matched.set()
        return absent

    def _tell(self, errors: list[Error], told: bool) -> None:
        for error in errors:
            if error.kind != UNAVAILABLE:
                _log.error("%s", error)
            elif not told:
                _log.warning("schedules wait for their server: %s", error)
