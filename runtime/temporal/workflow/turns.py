"""The turns in which what one activation brings takes effect, one piece of work at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

#: After how many turns the script hears of what the SDK's core has resolved. One activation may bring several, and each leads
#: to commands whose order is history: the numbers are those under which the histories that exist were recorded.
RESULT, CHILD_STARTED = 3, 2
#: What waits for another piece of work goes on so many turns after that is done: it is told in one turn and goes on in the next.
FOLLOWED = 2


class Turns:
    """A queue of work. What is added while a turn is under way comes behind everything that waits already."""

    __slots__ = ("_queue",)

    def __init__(self) -> None:
        self._queue: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()

    def soon(self, work: Callable[..., object], *args: Any) -> None:
        self._queue.append((work, args))

    def after(self, turns: int, work: Callable[..., object], *args: Any) -> None:
        """Does the work in the `turns`-th turn of what is queued from now on; 1 is the same as `soon`."""
        if turns > 1:
            self._queue.append((self.after, (turns - 1, work, *args)))
        else:
            self._queue.append((work, args))

    def run(self) -> None:
        """Until nothing is left. What raises leaves the rest undone: the workflow task has failed."""
        queue = self._queue
        while queue:
            work, args = queue.popleft()
            work(*args)
