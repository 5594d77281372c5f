"""Backoff: how long to wait before something that failed is tried again.

The pauses grow up to a longest one and begin anew after a success. `tenacity` and its like wrap one call until it succeeds. What is
tried again here are loops: they count a long life or some progress as a success, and stop waiting when something happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.late import late

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = late("asyncio")


#: Of what waits for a server: seconds before the second try, and the longest pause.
FIRST_DELAY, LONGEST_DELAY = 0.2, 10.0
#: 2 to this power is more than any pause; a float has an end.
_MOST_DOUBLINGS = 64


def delay_after(failures: int, first: float, longest: float, factor: float = 2.0) -> float:
    """Seconds to wait after so many failures in a row, at least one."""
    return float(min(first * factor ** min(failures - 1, _MOST_DOUBLINGS), longest))


class Backoff:
    """The failures in a row of one thing that is tried again, and the pauses between the tries, in seconds."""

    def __init__(self, first: float = FIRST_DELAY, longest: float = LONGEST_DELAY, factor: float = 2.0) -> None:
        self._first, self._longest, self._factor = first, longest, factor
        self.failures = 0

    def reset(self) -> None:
        """After a success: the next failure is the first one."""
        self.failures = 0

    def failed(self) -> float:
        """Counts a failure. Returns the pause before the next try."""
        self.failures += 1
        return delay_after(self.failures, self._first, self._longest, self._factor)

    async def pause(self, until: asyncio.Event | None = None) -> None:
        """Counts a failure and waits; no longer than until the event is set."""
        delay = self.failed()
        if until is None:
            await asyncio.sleep(delay)
            return
        try:
            async with asyncio.timeout(delay):
                await until.wait()
        except TimeoutError:
            pass
