"""The base of the services that the supervisor keeps up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from runtime.process.services.states import ServiceState
from runtime.registry.models import ServiceEntry as Entry


class ServiceKeeper:
    """A service that the supervisor keeps up. `mark` is equal for two that need no restart between them; `needed` are those it depends on.

    `pid` is that of its present process, if it has one.
    """

    def __init__(self, entry: Entry, mark: Any, state: ServiceState, needed: Sequence[ServiceState]) -> None:
        self.entry = entry
        self.mark = mark
        self.pid: str | None = None
        self.state = state
        self._needed = needed
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Idempotent."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep_up(), name=f"service {self.entry.id}")

    def adopt(self, entry: Entry) -> bool:
        """Whether it goes on, by what `lifecycle` says from now on. One that is down is to start anew."""
        self.entry = entry
        return self.state.up.is_set()

    async def stop(self) -> None:
        raise NotImplementedError

    async def _keep_up(self) -> None:
        raise NotImplementedError

    async def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _wait_for_needed(self) -> None:
        for needed in self._needed:
            if not needed.up.is_set():
                await needed.tried.wait()
                if not needed.up.is_set():
                    self.state.tried.set()  # nobody is to wait for what waits for one that is down
                    await needed.up.wait()
