"""The sizes of what one workflow task brings to the server, which takes 4 MiB at once, with what arrived meanwhile: the commands that are
more than the rest go with the next task.

A timer makes that task. Whether a command was held back is recorded, since it depends on what other values a store keeps; so a replay holds
back the same ones. One record is made for each task that was full, none for runs whose tasks never are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from runtime import limits
from runtime.temporal import wire
from runtime.temporal.workflow.run import Run
from runtime.temporal.workflow.timer import Timer

_SUMMARY = "the commands of one step are more than Temporal takes at once"


class Held:
    """A command that waits for a later task. Nothing comes of it once it is dropped."""

    __slots__ = ("is_dropped", "lasts", "size", "write")

    def __init__(self, size: int, write: Callable[[], object], lasts: bool) -> None:
        self.size, self.write, self.lasts = size, write, lasts
        self.is_dropped = False

    def drop(self) -> None:
        self.is_dropped = True


class Pacing:
    """The commands of a run that hold values, in the order in which they are given."""

    __slots__ = ("_followers", "_number", "_queue", "_run", "_tasks")

    def __init__(self, run: Run) -> None:
        self._run = run
        self._number = self._tasks = 0
        self._queue: deque[Held] = deque()
        self._followers: list[Callable[[], None]] = []

    def send(self, size: int, write: Callable[[], object], *, lasts: bool = False) -> Held | None:
        """Calls `write`, which emits commands with values of about `size` bytes: at once, or when it is this one's turn. One that `lasts` is
        waited for by a run that ends."""
        self._number += 1
        if not self._queue and not self._is_full(size, f"{self._number}"):
            write()
            return None
        held = Held(size, write, lasts)
        self._queue.append(held)
        if len(self._queue) == 1:
            self._await_task()
        return held

    def _is_full(self, size: int, at: str) -> bool:
        run = self._run
        if run.replaying:
            return run.was_full and run.patched(wire.FULL_MARKER.format(at=at))
        if run.used + size <= limits.MAX_COMMANDS or not run.used:
            run.used += size
            return False
        return run.patched(wire.FULL_MARKER.format(at=at))

    def _await_task(self) -> None:
        self._run.turns.soon(Timer(self._run, 0.001, _SUMMARY, self._go_on).begin)

    def _go_on(self) -> None:
        """A new task: it takes the first that waits, and as many more as it has room for."""
        queue, run = self._queue, self._run
        self._tasks += 1
        is_first = True
        while queue:
            held = queue[0]
            if not held.is_dropped:
                if not is_first and self._is_full(held.size, f"{self._tasks}/{self._number}/{len(queue)}"):
                    break
                if is_first:
                    run.used += held.size
                is_first = False
                held.write()
            queue.popleft()
        if queue:
            self._await_task()
            return
        followers, self._followers = self._followers, []
        for follower in followers:
            run.turns.soon(follower)

    def when_done(self, follower: Callable[[], None]) -> bool:
        """For a run that ends: what does not last is dropped. False when nothing waits, and `follower` is not called."""
        for held in self._queue:
            if not held.lasts:
                held.drop()
        if all(held.is_dropped for held in self._queue):
            return False
        self._followers.append(follower)
        return True
