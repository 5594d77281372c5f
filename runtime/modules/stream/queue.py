"""What is published on its way to the store: collected, and handed over for all runs at once, every 50 ms at most.

Whoever publishes waits for nothing. While the store does not answer, what is published waits here, as far as there is room; that is
said once, and what is lost is counted.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from runtime.contracts import RunPosition
from runtime.errors import NOT_FOUND, Error
from runtime.late import late
from runtime.modules.stream.record import Published, PublishedBatch
from runtime.modules.stream.store import StreamStore

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = late("asyncio")

_log = logging.getLogger("evermoon.stream")

#: Seconds between two writes; and the longest pause after a write that failed.
INTERVAL, _LONGEST = 0.05, 5.0
#: After how many failed writes nobody waits for one any more.
_TRIES = 3
#: What may wait to be written, in bytes.
MAX_WAITING = 32 * 1024**2
#: What an event takes besides its data.
_OVERHEAD = 200
#: Seconds for which it is taken as known where a run is, for those who publish to it from outside.
_KNOWN = 5.0
_MOST_BASES = 10_000


class PublishTarget(NamedTuple):
    """The run that is published to. `attempt` is the activity's that does so, "" for others. Who knows says which chain it is of, and how many
    events its own history has; 0 where that makes no difference."""

    run: str
    run_id: str | None = None
    attempt: str = ""
    chain: str = ""
    event: int = 0


@dataclass(slots=True)
class PublishCounts:
    """Events since the start: accepted, and given up."""

    published: int = 0
    lost: int = 0


@dataclass(slots=True)
class _Waiting:
    events: list[Published] = field(default_factory=list)
    bytes: int = 0


Locate = Callable[[str, str | None], Awaitable[RunPosition]]


class PublishQueue:
    """The events of this process that no store has yet. `publish` may be called from any thread."""

    def __init__(self, store: Callable[[], Awaitable[StreamStore]], locate: Locate, interval: float = INTERVAL) -> None:
        self.counts = PublishCounts()
        self._store, self._locate, self._interval = store, locate, interval
        self._lock = threading.Lock()
        self._waiting: dict[PublishTarget, _Waiting] = {}
        self._bytes = 0
        self._known: dict[PublishTarget, tuple[RunPosition, float]] = {}
        self._bases: dict[str, int] = {}
        """Of runs that go on after others: how many events those had."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._hurry: asyncio.Event
        self._written: asyncio.Event
        self._wanted: asyncio.Event
        self._is_full = False
        self._failures = 0
        """Writes in a row that failed."""

    def begin(self) -> None:
        """In the loop, before the first `publish`."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._hurry, self._written, self._wanted = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def publish(self, target: PublishTarget, event: Published, *, counts: bool = True) -> None:
        size = len(event.data) + _OVERHEAD
        with self._lock:
            if self._bytes + size > MAX_WAITING:
                self.counts.lost += 1
                is_first, self._is_full = not self._is_full, True
                if is_first:
                    _log.warning("more is published than the stream store takes: events are lost")
                return
            self.counts.published += counts
            waiting = self._waiting.get(target)
            if waiting is None:
                waiting = self._waiting[target] = _Waiting()
            waiting.events.append(event)
            waiting.bytes += size
            was_empty = not self._bytes
            self._bytes += size
        if was_empty:
            self._wake()

    def is_kept(self, target: PublishTarget) -> bool:
        """Whether the store has what was published to the target."""
        return target not in self._waiting

    async def flushed(self, target: PublishTarget, timeout: float) -> bool:
        """Returns when the store has what was published to the target, does not answer, or takes so many seconds: whether it has it."""
        try:
            async with asyncio.timeout(timeout):
                while target in self._waiting and self._failures < _TRIES:
                    self._hurry.set()
                    await self._written.wait()
        except TimeoutError:
            pass
        return self.is_kept(target)

    async def finish(self, target: PublishTarget, timeout: float) -> None:
        """As `flushed`, of a target that nobody publishes to any more."""
        await self.flushed(target, timeout)
        self._known.pop(target, None)

    async def close(self, timeout: float = 2.0) -> None:
        """As long as the store takes something every `timeout` seconds, it is given all that waits; the rest is lost, which is said."""
        if self._task is None:
            return
        while self._waiting:
            before = self._bytes
            await self.flushed(next(iter(self._waiting)), timeout)
            if self._bytes >= before:
                break
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        before = self.counts.lost
        self._lose(list(self._waiting))
        if self.counts.lost > before:
            _log.warning(
                "%d published events are lost: the stream store did not answer before the host closed",
                self.counts.lost - before,
            )

    def _wake(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._go_on)

    def _go_on(self) -> None:
        self._wanted.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="stream")

    async def _run(self) -> None:
        pause = self._interval
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if await self._write():
                pause = self._interval
            else:
                self._wanted.set()
                pause = min(max(pause, INTERVAL) * 2, _LONGEST)
            written, self._written = self._written, asyncio.Event()
            written.set()
            if pause:
                await self._rest(pause)

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            pass
        self._hurry.clear()

    async def _write(self) -> bool:
        """Whether all that waited is with the store. What came meanwhile stays for the next time."""
        taken = {target: len(waiting.events) for target, waiting in self._waiting.items()}
        try:
            batches = await self._batches(taken)
            if batches:
                store = await self._store()
                await store.append(batches)
        except Error as error:
            self._say(error)
            return False
        except Exception as error:
            _log.exception("the stream store failed")
            self._say(error)
            return False
        if self._failures:
            self._failures = 0
            _log.warning("the stream store answers again")
        self._forget(taken)
        return True

    async def _batches(self, taken: dict[PublishTarget, int]) -> list[PublishedBatch]:
        """One for each log."""
        found: dict[str, PublishedBatch] = {}
        for target in taken:
            position = await self._position(target)
            if position is None:
                continue
            events = self._waiting[target].events[: taken[target]]
            before = found.get(position.chain)
            if before is not None:
                events, mark = [*before.events, *events], max(before.mark, position.event)
                found[position.chain] = PublishedBatch(position.chain, mark, events)
            else:
                found[position.chain] = PublishedBatch(position.chain, position.event, events)
        return list(found.values())

    async def _position(self, target: PublishTarget) -> RunPosition | None:
        """None: there is no such run."""
        if not target.chain or target.run_id is None:
            return await self._located(target)
        if not target.event:
            return RunPosition(target.chain, 0)
        base = 0 if target.chain == target.run_id else self._bases.get(target.run_id)
        if base is None:
            found = await self._located(target)
            if found is None:
                return None
            base = self._bases[target.run_id] = found.base
            if len(self._bases) > _MOST_BASES:
                del self._bases[next(iter(self._bases))]
        return RunPosition(target.chain, base + target.event, base)

    async def _located(self, target: PublishTarget) -> RunPosition | None:
        """Of an attempt it is asked once, so that its first event comes after all that had happened then."""
        now = asyncio.get_running_loop().time()
        known = self._known.get(target)
        if known is not None and (target.attempt or now - known[1] < _KNOWN):
            return known[0]
        try:
            position = await self._locate(target.run, target.run_id)
        except Error as error:
            if error.kind != NOT_FOUND:
                raise
            self._lose([target])
            _log.warning("published to a run that is not there: %s", error)
            return None
        self._known = {other: it for other, it in self._known.items() if other.attempt or now - it[1] < _KNOWN}
        self._known[target] = (position, now)
        return position

    def _forget(self, taken: dict[PublishTarget, int]) -> None:
        with self._lock:
            for target, count in taken.items():
                waiting = self._waiting.get(target)
                if waiting is None:
                    continue
                gone, waiting.events = waiting.events[:count], waiting.events[count:]
                size = sum(len(event.data) + _OVERHEAD for event in gone)
                waiting.bytes -= size
                self._bytes -= size
                if not waiting.events:
                    del self._waiting[target]
            self._is_full = False
            if self._bytes:
                self._wanted.set()

    def _lose(self, targets: list[PublishTarget]) -> None:
        with self._lock:
            for target in targets:
                waiting = self._waiting.pop(target, None)
                if waiting is not None:
                    self.counts.lost += len(waiting.events)
                    self._bytes -= waiting.bytes

    def _say(self, error: Exception) -> None:
        self._failures += 1
        if self._failures == 1:
            _log.warning("the stream store does not answer, what is published waits for it: %s", error)
