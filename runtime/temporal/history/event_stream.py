"""Live streams of a run's events: of its history, and of what is published to it. Both are followed once for all readers, and no slow reader
holds up another.

The latest events are kept in memory. A reader who is further behind reads history and stream store by itself. So what is kept does
not depend on how slow readers are, and a late reader sees what the others saw.

Before an event of the history is told, the store is told its number: what is published from then on comes after it. So both have one order,
which is the same for everybody.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from runtime.backoff import Backoff
from runtime.contracts import RESET, Cursor, RunEvent
from runtime.errors import UNAVAILABLE, Error, internal, unavailable
from runtime.modules.stream.store import StreamStore
from runtime.process.await_workflow import LONGEST_DELAY
from runtime.temporal.history.history_events import HistoryEvents, successor_of
from runtime.temporal.history.run_chain import Histories, Link
from runtime.temporal.history.stream_log import NO_LOG, StreamLog

_log = logging.getLogger(__name__)

#: How many of a run's latest events are kept for those who follow it.
KEPT = 1000
#: Seconds between two looks at the steps of a run that is followed.
LOOK = 10.0

#: The store of what is published to runs. Raises `Error`.
Streams = Callable[[], Awaitable[StreamStore]]


class Tail:
    """The end of a chain of runs, to which new events are added."""

    def __init__(self, histories: Histories, streams: Streams | None = None, kept: int = KEPT) -> None:
        self._histories = histories
        self._streams = streams
        self._kept = kept
        self._recent: deque[RunEvent] = deque()
        self._chain: list[Link] = []
        self._published: StreamLog = NO_LOG
        self._steps: set[tuple[object, object]] = set()
        """Those under way."""
        self._adding = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._failure: Error | None = None
        self.readers = 0
        self.since = Cursor(0)
        """The id of the last event that is not kept any more."""
        self.reached = Cursor(0)
        """The id of the last event known."""
        self.is_over = False
        self.is_known = False
        """Whether all is known that had happened when it began."""
        self.is_cut = False
        """Whether the chain's first run is gone from the server."""
        self.changed = asyncio.Event()
        """Set, and replaced, when anything of the above changes."""

    async def begun(self) -> None:
        """Returns once it knows all that has happened. Raises `Error` NOT_FOUND or UNAVAILABLE."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"events of {self._histories.workflow_id}")
        while not self.is_known:
            self.raise_failure()
            await self.changed.wait()

    async def _run(self) -> None:
        beside: list[asyncio.Task[None]] = []
        try:
            happened = await self._begin()
            beside = [asyncio.create_task(self._listen()), asyncio.create_task(self._watch())]
            await self._follow(happened)
        except Error as error:
            self._failure = error
        except Exception:
            _log.exception("the events of %s cannot be followed", self._histories.workflow_id)
            self._failure = internal("the run's history cannot be followed")
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
        self._tell_readers()

    async def _begin(self) -> int:
        """Finds the runs; how many events there are at this moment."""
        now = await self._histories.now()
        chain = await self._histories.chain(now.run_id)
        self._chain, self.is_cut = chain.links, chain.is_cut
        latest = self._chain[-1]
        happened = latest.base + (now.length if latest.run_id == now.run_id else 0)
        self.since = self.reached = Cursor(latest.base)
        if self._streams is not None:
            self._published = await StreamLog.opened(self._streams, chain.first, self.since, is_open=not now.is_closed)
        return happened

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def fail(self, error: Error) -> None:
        """Its readers are told, and it reads on for nobody."""
        self._failure = error
        if self._task is not None:
            self._task.cancel()
        self._tell_readers()

    async def end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def means_something(self, after: Cursor) -> bool:
        """Whether what came after an event is known still. A cursor from an earlier chain of the same id, or from before the server
        forgot the first run, means nothing any more; nor does one when the store has dropped what came after it."""
        if self.is_cut or after.event > self.reached.event:
            return False
        return not await self._published.has_lost(after)

    def after(self, position: Cursor) -> list[RunEvent]:
        """Of the events that are kept."""
        return [event for event in self._recent if event.id is not None and event.id > position]

    async def earlier(self, position: Cursor, until: Cursor) -> AsyncGenerator[RunEvent]:
        """From the server and the store: the events after `position` up to `until`."""
        history, published = self._history(position, until), self._published.between(position, until)
        async with aclosing(history), aclosing(published):
            one, other = await anext(history, None), await anext(published, None)
            while one is not None or other is not None:
                if other is None or (one is not None and _id(one) < _id(other)):
                    assert one is not None
                    yield one
                    one = await anext(history, None)
                else:
                    yield other
                    other = await anext(published, None)

    async def _history(self, position: Cursor, until: Cursor) -> AsyncGenerator[RunEvent]:
        chain = list(self._chain)
        for number, link in enumerate(chain):
            if number + 1 < len(chain) and chain[number + 1].base <= position.event:
                continue
            if link.base >= until.event:
                return
            teller = HistoryEvents(link.run_id, goes_on=number > 0)
            async for page in self._histories.pages(link.run_id, wait=False):
                for event in _told(teller, link, page):
                    if position < _id(event) <= until:
                        yield event

    async def _follow(self, happened: int) -> None:
        """Through lost connections and restarts of the server."""
        backoff = Backoff(longest=LONGEST_DELAY)
        while not self.is_over:
            reached = self.reached
            try:
                await self._follow_run(self._chain[-1], len(self._chain) > 1, happened)
            except Error as error:
                if error.kind != UNAVAILABLE:
                    raise
                if self.reached > reached:
                    backoff.reset()
                await backoff.pause()

    async def _follow_run(self, link: Link, goes_on: bool, happened: int) -> None:
        """Until it closes. From its first event each time: what has been told is known by its number."""
        teller = HistoryEvents(link.run_id, goes_on=goes_on)
        async for page in self._histories.pages(link.run_id, wait=True):
            new = [event for event in _told(teller, link, page) if _id(event).event > self.reached.event]
            if page:
                number, successor = link.base + page[-1].event_id, successor_of(page[-1])
                if number > self.reached.event:
                    await self._add(new, number, is_last=successor == "")
                if successor:
                    self._chain.append(Link(successor, number))
                self.is_known = self.is_known or self.is_over or self.reached.event >= happened
                self._tell_readers()
                if successor is not None:
                    return

    async def _listen(self) -> None:
        """To what is published."""
        while await self._published.changed():
            await self._add([], self.reached.event)
            self._tell_readers()

    async def _watch(self) -> None:
        """What the server says of steps under way, as long as there are any."""
        while True:
            await asyncio.sleep(LOOK)
            if self._steps:
                try:
                    await self._published.tell(await self._histories.live_steps())
                except Error as error:
                    _log.debug("the steps of %s are not looked at: %s", self._histories.workflow_id, error)

    def _follow_step(self, event: RunEvent) -> None:
        step = (event.data.get("run_id"), event.data.get("activity_id"))
        if event.name == "step.scheduled":
            self._steps.add(step)
        elif event.name in ("step.completed", "step.failed"):
            self._steps.discard(step)
        elif event.name == "continued":
            self._steps.clear()

    async def _add(self, events: Sequence[RunEvent], number: int, *, is_last: bool = False) -> None:
        """Events of the history up to that number, and what was published before, between and after them. After a chain's last event comes nothing."""
        async with self._adding:
            if self.is_over:
                return
            number = max(number, self.reached.event)
            published = await self._published.up_to(number, is_last=is_last)
            for event in heapq.merge(events, published, key=_id):
                if _id(event) > self.reached:  # else it came too late to be told in order
                    self._keep(event)
            self.reached = max(self.reached, Cursor(number))
            self.is_over = is_last

    def _keep(self, event: RunEvent) -> None:
        self._recent.append(event)
        self._follow_step(event)
        self.reached = _id(event)
        if len(self._recent) > self._kept:
            self.since = _id(self._recent.popleft())

    def _tell_readers(self) -> None:
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()


def _id(event: RunEvent) -> Cursor:
    assert event.id is not None
    return event.id


def _told(teller: HistoryEvents, link: Link, page: Sequence[HistoryEvent]) -> list[RunEvent]:
    told = [(event.event_id, teller.tell(event)) for event in page]
    return [RunEvent(Cursor(link.base + number), *what) for number, what in told if what is not None]


class EventStream:
    """The `EventFeed` of one reader."""

    def __init__(self, tail: Tail, after: Cursor | None, *, wait: bool, is_reset: bool) -> None:
        """`is_reset`: the cursor means nothing any more."""
        self._tail = tail
        self._wait = wait
        self._is_reset = is_reset
        self._position = Cursor(0) if after is None or is_reset else after

    @property
    def is_over(self) -> bool:
        return self._tail.is_over and not self._is_reset and self._position >= self._tail.reached

    async def __aiter__(self) -> AsyncIterator[RunEvent]:
        if self._is_reset:
            self._is_reset = False
            yield RESET
        tail = self._tail
        while True:
            changed, reached, since = tail.changed, tail.reached, tail.since
            if self._position < since:
                async with aclosing(tail.earlier(self._position, since)) as events:
                    async for event in events:
                        yield event
                        self._position = _id(event)
                self._position = max(self._position, since)
                continue
            for event in tail.after(self._position):
                yield event
            self._position = max(self._position, reached)
            if tail.reached > reached:
                continue
            if self.is_over or not self._wait:
                return
            tail.raise_failure()
            await changed.wait()


class EventStreams:
    """The event streams of all runs that are followed on this host, one `Tail` for each workflow id."""

    def __init__(self, streams: Streams | None = None) -> None:
        self._streams = streams
        self._tails: dict[tuple[int, str], Tail] = {}

    def end_all(self) -> None:
        """Whoever follows a run begins again with the last event that was heard."""
        tails, self._tails = self._tails, {}
        for tail in tails.values():
            tail.fail(unavailable("the streams of runs are kept elsewhere now: follow again from the last event"))

    @asynccontextmanager
    async def open(
        self, client: Client, workflow_id: str, after: Cursor | None, *, wait: bool
    ) -> AsyncGenerator[EventStream]:
        """Raises `Error` NOT_FOUND or UNAVAILABLE."""
        key = (id(client), workflow_id)
        tail = self._tails.get(key)
        if tail is None or tail.is_over:  # a later run of that id has other events
            tail = self._tails[key] = Tail(Histories(client, workflow_id), self._streams)
        tail.readers += 1
        try:
            await tail.begun()
            is_reset = after is not None and not await tail.means_something(after)
            yield EventStream(tail, after, wait=wait, is_reset=is_reset)
        finally:
            tail.readers -= 1
            if tail.readers == 0:
                if self._tails.get(key) is tail:
                    del self._tails[key]
                await tail.end()
