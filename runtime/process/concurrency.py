"""The limit of how many executions of an entry go on at once.

A permit is for executing, not for waiting on another function: who waits hands it back, or functions that call each
other could hold all permits and wait for one for ever.
"""

from __future__ import annotations

import asyncio


class Permit:
    """A permit to execute. Its methods may be called in any state. With None as semaphore there is no limit."""

    def __init__(self, semaphore: asyncio.Semaphore | None) -> None:
        self._semaphore = semaphore
        self._held = False

    async def hold(self) -> None:
        if self._semaphore is not None and not self._held:
            await self._semaphore.acquire()
            self._held = True

    def hold_now(self) -> bool:
        """Whether it is held now, without waiting."""
        if self._semaphore is None or self._held:
            return True
        if self._semaphore.locked():
            return False
        try:
            self._semaphore.acquire().send(None)  # of one that is not locked, it never waits
        except StopIteration:
            self._held = True
        return self._held

    def give_back(self) -> None:
        if self._semaphore is not None and self._held:
            self._held = False
            self._semaphore.release()


class Concurrency:
    def __init__(self) -> None:
        self._semaphores: dict[tuple[str, int], asyncio.Semaphore] = {}

    def permit(self, entry_id: str, size: int | None) -> Permit:
        if size is None:
            return Permit(None)
        return Permit(self._semaphores.setdefault((entry_id, size), asyncio.Semaphore(size)))
