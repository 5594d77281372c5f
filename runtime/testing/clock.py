"""The virtual clock: a moment that moves when everything waits for it, what is to happen at later ones, and an event loop that lives by it."""

from __future__ import annotations

import asyncio
import heapq
import selectors
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVarTuple, Unpack
from weakref import WeakSet

_SECOND = 1_000_000_000
#: What `asyncio.sleep` has a timer call, with the future that it waits for.
_SLEEPS = "_set_result_unless_cancelled"
Ts = TypeVarTuple("Ts")


@dataclass(slots=True)
class VirtualClock:
    """`now` is nanoseconds since 1970."""

    now: int


def rfc3339(nanoseconds: int) -> str:
    """A moment as text, in UTC."""
    moment = datetime.fromtimestamp(nanoseconds // 1000 / 1e6, UTC)
    return moment.isoformat().replace("+00:00", "Z")


class Timers:
    """What is to happen later, each thing under a key of its own; of one moment in the order of the keys."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int]] = []
        self._actions: dict[int, Callable[[], None]] = {}

    def add(self, at: int, key: int, action: Callable[[], None]) -> None:
        self._actions[key] = action
        heapq.heappush(self._heap, (at, key))

    def cancel(self, key: int) -> None:
        self._actions.pop(key, None)

    def clear(self) -> None:
        self._heap.clear()
        self._actions.clear()

    @property
    def next_at(self) -> int | None:
        """When the next one is due; None when there is none."""
        while self._heap and self._heap[0][1] not in self._actions:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def fire(self) -> None:
        """Does what is due next. There must be something."""
        self._actions.pop(heapq.heappop(self._heap)[1])()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is that of a clock. It runs in `drive`, until everything on it waits for a later moment.

    Tasks that do real work, which no clock can hurry (a thread, a connection), say so with `working`. While one of them waits for
    something else than a timer, the time until the next timer passes as it does outside.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self._clock, self._began, self._until = clock, clock.now, clock.now
        self._working: dict[asyncio.Task[Any], int] = {}
        self._timed = WeakSet[asyncio.Future[Any]]()
        self.due: int | None = None
        """When its next timer is due, as it was when `drive` ended."""
        super().__init__(_Selector(self))

    def time(self) -> float:
        return (self._clock.now - self._began) / _SECOND

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        if args and isinstance(args[0], asyncio.Future) and getattr(callback, "__name__", "") == _SLEEPS:
            self._timed.add(args[0])
        return super().call_at(when, callback, *args, context=context)

    def drive(self, until: int) -> None:
        """Runs what is ready, and what becomes so up to the moment `until`. The clock is at the last of these then."""
        self._until, self.due = until, None
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self.run_forever()
        else:
            self._run_apart()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Of the task that is in it."""
        task = asyncio.current_task(self)
        assert task is not None
        self._working[task] = self._working.get(task, 0) + 1
        try:
            yield
        finally:
            self._working[task] -= 1
            if not self._working[task]:
                del self._working[task]

    @property
    def is_held(self) -> bool:
        """Whether somebody works on something that is not up to this clock."""
        return not all(self._sleeps(task) for task in self._working)

    def _sleeps(self, waiter: object) -> bool:
        """Whether what is waited for comes by itself, with time."""
        if isinstance(waiter, asyncio.Task):
            return waiter.done() or self._sleeps(getattr(waiter, "_fut_waiter", None))
        parts = getattr(waiter, "_children", None)  # of `asyncio.gather`
        return waiter in self._timed if parts is None else all(self._sleeps(part) for part in parts)

    def passes(self, seconds: float | None) -> None:
        """Nothing is to be done for so long, or until somebody outside of it comes."""
        if seconds is None:
            self.stop()
            return
        due = self._clock.now + max(1, round(seconds * _SECOND))
        if due > self._until:
            self.due = due
            self.stop()
        else:
            self._clock.now = due

    def _run_apart(self) -> None:
        """A thread runs one event loop at a time, and this one has another."""
        thread = threading.Thread(target=self.run_forever, name="evermoon-test")
        thread.start()
        thread.join()


class _Selector(selectors.DefaultSelector):
    """The selector of a virtual loop: where the loop would wait, the clock moves."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._loop.is_held:
            ready = super().select(timeout)
        if not ready:
            self._loop.passes(timeout)
        return ready
