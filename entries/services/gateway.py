"""A stand-in for a card company: slow, busy, and strict about balances."""

from __future__ import annotations

import asyncio


class Gateway:
    """Answers after `delay` seconds and serves at most `limit` calls at once; the rest queue in order."""

    def __init__(self, limit: int, delay: float) -> None:
        self.limit = limit
        self.delay = delay
        self.busy = 0
        self.peak = 0
        self._free = asyncio.Semaphore(limit)

    async def visit(self) -> None:
        async with self._free:
            self.busy += 1
            self.peak = max(self.peak, self.busy)
            try:
                await asyncio.sleep(self.delay)
            finally:
                self.busy -= 1
