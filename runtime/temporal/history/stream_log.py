"""What is published to one chain of runs, as its tail reads it from the stream store."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeVar

from runtime.backoff import Backoff
from runtime.contracts import Cursor, RunEvent
from runtime.errors import Error
from runtime.modules.stream.record import PublishedBatch
from runtime.modules.stream.store import StreamStore
from runtime.modules.stream.streams import live
from runtime.temporal.history.live_steps import LiveStep

T = TypeVar("T")

_log = logging.getLogger("evermoon.stream")

#: How often a store that does not answer is asked again, before its events are given up: some ten seconds.
_ATTEMPTS, _LONGEST = 8, 3.0


class StreamLog:
    """The log of a chain, read from `since` on. Without a store nothing is published. When the store does not answer for some
    time, those who follow hear of the history only, until they come back."""

    def __init__(self, store: StreamStore | None, log: str, since: Cursor, *, is_open: bool) -> None:
        self._store, self._name, self._is_open = store, log, is_open
        self._since, self._seq = since, 0
        self._ahead: list[RunEvent] = []
        """Published after events of the history that are not known yet."""

    @classmethod
    async def opened(
        cls, streams: Callable[[], Awaitable[StreamStore]], log: str, since: Cursor, *, is_open: bool
    ) -> StreamLog:
        made = cls(None, log, since, is_open=is_open)
        made._store = await made._asked(streams)
        return made

    async def has_lost(self, after: Cursor) -> bool:
        store = self._store
        if store is None:
            return False
        edges = await self._asked(lambda: store.edges(self._name))
        if edges is None or edges.has_lost(after):
            return edges is not None
        return bool(after.seq) and await self._is_of_another(after)

    async def _is_of_another(self, after: Cursor) -> bool:
        """Whether the log has no such event: the id is from another store, or from before this one was emptied."""
        page = await self._page(Cursor(after.event, after.seq - 1), limit=1)
        return self._store is not None and (not page or page[0].id != after)

    async def up_to(self, number: int, *, is_last: bool) -> list[RunEvent]:
        """What was published and not told yet, as far as the history is known; if that is its last event, what came before that."""
        store = self._store
        if store is None:
            return []
        if self._is_open and not is_last:
            await self._asked(lambda: store.mark(self._name, number))
        while events := await self._asked(lambda: store.read(self._name, Cursor(self._since.event, self._seq))):
            self._ahead += events
            self._seq = max(event.id.seq for event in events if event.id is not None)
        limit = Cursor(number) if is_last else Cursor(number + 1)
        ready = [event for event in self._ahead if event.id is not None and event.id < limit]
        self._ahead = self._ahead[len(ready) :]
        return ready

    async def tell(self, steps: Sequence[LiveStep]) -> None:
        """What is known already is not told again."""
        store, at = self._store, time.time_ns() // 1_000_000
        events = [live(step.source, step.name, step.about, step.position, at) for step in steps]
        told = [event for event in events if event is not None]
        if store is not None and told:
            await self._asked(lambda: store.append([PublishedBatch(self._name, 0, told)]))

    async def changed(self) -> bool:
        """Returns when there may be more; False when there will not be."""
        store = self._store
        if store is None:
            return False
        await self._asked(lambda: store.changed(self._name, self._seq))
        return self._store is not None

    async def between(self, after: Cursor, until: Cursor) -> AsyncGenerator[RunEvent]:
        while events := await self._page(after):
            for event in events:
                assert event.id is not None
                if event.id > until:
                    return
                yield event
                after = event.id

    async def _page(self, after: Cursor, limit: int = 1000) -> list[RunEvent]:
        store = self._store
        return (await self._asked(lambda: store.read(self._name, after, limit)) or []) if store is not None else []

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        """The answer of the store; None when it gives none, and is not asked again."""
        backoff = Backoff(longest=_LONGEST)
        for _ in range(_ATTEMPTS):
            try:
                return await ask()
            except Error as error:
                said = error
                await backoff.pause()
        _log.warning("the stream store does not answer, who follows %s hears of its history only: %s", self._name, said)
        self._store = None
        return None


NO_LOG = StreamLog(None, "", Cursor(0), is_open=False)
