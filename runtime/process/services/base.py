"""The base of the services that the supervisor keeps up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from runtime.registry.models import ServiceEntry as Entry


class ServiceKeeper:
    """A service that the supervisor keeps up. `mark` is equal for two that need no restart between them; `needed` are those it depends on.

    `pid` is that of its present process, if it has one; `tried` is set once it is up or has failed for the first time, `up` while it is up.
    """

    def __init__(self, entry: Entry, mark: Any, needed: Sequence[ServiceKeeper]) -> None:
        self.entry = entry
        self.mark = mark
        self.pid: str | None = None
        self.tried, self.up = asyncio.Event(), asyncio.Event()
        self._needed = needed
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Idempotent."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep_up(), name=f"service {self.entry.id}")

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
                    self.tried.set()  # nobody is to wait for what waits for one that is down
                    await needed.up.wait()
