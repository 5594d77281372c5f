"""Live streams of a run's events. The history is long-polled once for all readers, and no slow reader holds up another.

The latest events are kept in memory. A reader who is further behind reads the history by itself. So what is kept does
not depend on how slow readers are, and a late reader sees what the others saw.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from runtime.backoff import Backoff
from runtime.contracts import RESET, Cursor, RunEvent
from runtime.errors import UNAVAILABLE, Error, internal
from runtime.process.await_workflow import LONGEST_DELAY
from runtime.temporal.history.history_events import HistoryEvents, successor_of
from runtime.temporal.history.run_chain import Histories, Link

_log = logging.getLogger(__name__)

#: How many of a run's latest events are kept for those who follow it.
KEPT = 1000


class Tail:
    """The end of a chain of runs, to which new events are added."""

    def __init__(self, histories: Histories, kept: int = KEPT) -> None:
        self._histories = histories
        self._kept = kept
        self._recent: deque[RunEvent] = deque()
        self._chain: list[Link] = []
        self._task: asyncio.Task[None] | None = None
        self._failure: Error | None = None
        self.readers = 0
        self.since = 0
        """The number of the last event that is not kept any more."""
        self.reached = 0
        """The number of the last event known."""
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
        try:
            happened = await self._begin()
            await self._follow(happened)
        except Error as error:
            self._failure = error
        except Exception:
            _log.exception("the events of %s cannot be followed", self._histories.workflow_id)
            self._failure = internal("the run's history cannot be followed")
        self._tell_readers()

    async def _begin(self) -> int:
        """Finds the runs; how many events there are at this moment."""
        run_id, length = await self._histories.now()
        self._chain, self.is_cut = await self._histories.chain(run_id)
        latest = self._chain[-1]
        happened = latest.base + (length if latest.run_id == run_id else 0)
        self.since = self.reached = latest.base
        return happened

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def after(self, position: Cursor) -> list[RunEvent]:
        """Of the events that are kept."""
        return [event for event in self._recent if event.id is not None and event.id > position]

    async def earlier(self, position: Cursor) -> AsyncGenerator[tuple[int, list[RunEvent]]]:
        """From the server, a page at a time: the number of the page's last event, and its events after `position`."""
        chain = list(self._chain)
        for number, link in enumerate(chain):
            if number + 1 < len(chain) and chain[number + 1].base <= position.event:
                continue
            teller = HistoryEvents(link.run_id, goes_on=number > 0)
            async for page in self._histories.pages(link.run_id, wait=False):
                events = _told(teller, link, page)
                yield link.base + (page[-1].event_id if page else 0), [e for e in events if e.id and e.id > position]

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
            for event in _told(teller, link, page):
                if event.id is not None and event.id.event > self.reached:
                    self._keep(event)
            if page:
                self.reached = max(self.reached, link.base + page[-1].event_id)
                successor = successor_of(page[-1])
                if successor:
                    self._chain.append(Link(successor, self.reached))
                self.is_over = successor == ""
                self.is_known = self.is_known or self.is_over or self.reached >= happened
                self._tell_readers()
                if successor is not None:
                    return

    def _keep(self, event: RunEvent) -> None:
        self._recent.append(event)
        if len(self._recent) > self._kept:
            dropped = self._recent.popleft()
            assert dropped.id is not None
            self.since = dropped.id.event

    def _tell_readers(self) -> None:
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()


def _told(teller: HistoryEvents, link: Link, page: Sequence[HistoryEvent]) -> list[RunEvent]:
    told = [(event.event_id, teller.tell(event)) for event in page]
    return [RunEvent(Cursor(link.base + number), *what) for number, what in told if what is not None]


class EventStream:
    """The `EventFeed` of one reader."""

    def __init__(self, tail: Tail, after: Cursor | None, wait: bool) -> None:
        """A cursor from an earlier chain of the same id, or from before the server forgot the first run, means nothing any more."""
        self._tail = tail
        self._wait = wait
        self._is_reset = after is not None and (tail.is_cut or after.event > tail.reached)
        self._position = Cursor(0) if after is None or self._is_reset else after

    @property
    def is_over(self) -> bool:
        return self._tail.is_over and not self._is_reset and self._position.event >= self._tail.reached

    async def __aiter__(self) -> AsyncIterator[RunEvent]:
        if self._is_reset:
            self._is_reset = False
            yield RESET
        tail = self._tail
        while True:
            changed, reached = tail.changed, tail.reached
            if self._position.event < tail.since:
                async with aclosing(tail.earlier(self._position)) as pages:
                    async for number, events in pages:
                        for event in events:
                            yield event
                        self._position = max(self._position, Cursor(number))
                continue
            for event in tail.after(self._position):
                yield event
            self._position = max(self._position, Cursor(reached))
            if tail.reached > reached:
                continue
            if self.is_over or not self._wait:
                return
            tail.raise_failure()
            await changed.wait()


class EventStreams:
    """The event streams of all runs that are followed on this host, one `Tail` for each workflow id."""

    def __init__(self) -> None:
        self._tails: dict[tuple[int, str], Tail] = {}

    @asynccontextmanager
    async def open(
        self, client: Client, workflow_id: str, after: Cursor | None, *, wait: bool
    ) -> AsyncGenerator[EventStream]:
        """Raises `Error` NOT_FOUND or UNAVAILABLE."""
        key = (id(client), workflow_id)
        tail = self._tails.get(key)
        if tail is None or tail.is_over:  # a later run of that id has other events
            tail = self._tails[key] = Tail(Histories(client, workflow_id))
        tail.readers += 1
        try:
            await tail.begun()
            yield EventStream(tail, after, wait)
        finally:
            tail.readers -= 1
            if tail.readers == 0:
                if self._tails.get(key) is tail:
                    del self._tails[key]
                await tail.end()
