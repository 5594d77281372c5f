"""A stream store in the memory of a process: for those who follow a run in the same one."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runtime.contracts import Cursor, RunEvent
from runtime.late import late
from runtime.modules.stream.record import PublishedBatch, Row, Sources, admitted
from runtime.modules.stream.store import DEFAULT, REMEMBERED, Bounds, Edges

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = late("asyncio")


_START = Cursor(0)


@dataclass(slots=True)
class _Log:
    rows: deque[Row] = field(default_factory=deque)
    sources: Sources = field(default_factory=dict)
    mark: int = 1
    last: int = 0
    dropped: int = 0
    bytes: int = 0
    touched: float = 0.0
    changed: asyncio.Event = field(default_factory=lambda: asyncio.Event())


class MemoryStreams:
    """Every method runs in the loop without a pause, so each is atomic by itself."""

    def __init__(self, bounds: Bounds = DEFAULT) -> None:
        self._bounds = bounds
        self._logs: dict[str, _Log] = {}

    async def append(self, batches: Sequence[PublishedBatch]) -> None:
        for batch in batches:
            if batch.log in self._logs or not batch.is_live:
                self._append(self._log(batch.log), batch)

    async def mark(self, log: str, event: int) -> None:
        found = self._log(log)
        found.mark = max(found.mark, event)

    async def read(self, log: str, after: Cursor, limit: int = 1000) -> list[RunEvent]:
        return self.events(log, after, limit)

    def events(self, log: str, after: Cursor = _START, limit: int = 1000) -> list[RunEvent]:
        events: list[RunEvent] = []
        for row in self._logs[log].rows if log in self._logs else ():
            if row.mark >= after.event and row.last > after.seq:
                events.extend(row.after(after))
            if len(events) >= limit:
                break
        return events

    async def edges(self, log: str) -> Edges:
        found = self._logs.get(log)
        if found is None or not found.rows:
            return Edges(dropped=found.dropped if found else 0)
        first, last = found.rows[0], found.rows[-1]
        return Edges(Cursor(first.mark, first.first), Cursor(last.mark, last.last), found.dropped)

    async def changed(self, log: str, seq: int) -> None:
        found = self._log(log)
        while found.last <= seq:
            changed = found.changed
            await changed.wait()

    async def sweep(self) -> None:
        now, keep = time.time(), self._bounds.keep
        for name, log in list(self._logs.items()):
            if now - log.touched > keep * REMEMBERED:
                del self._logs[name]
            elif now - log.touched > keep:
                log.rows.clear()
                log.sources.clear()
                log.dropped, log.bytes = log.last, 0

    async def close(self) -> None:
        self._logs.clear()

    def _log(self, name: str) -> _Log:
        return self._logs.setdefault(name, _Log(touched=time.time()))

    def _append(self, log: _Log, batch: PublishedBatch) -> None:
        log.mark = max(log.mark, batch.mark)
        texts = admitted(log.sources, batch.events)
        if not texts:
            return
        log.touched = time.time()
        row = Row.of(log.mark, log.last + 1, texts)
        log.rows.append(row)
        log.last = row.last
        log.bytes += len(row.body)
        while len(log.rows) > 1 and (log.bytes > self._bounds.bytes or log.last - log.dropped > self._bounds.events):
            oldest = log.rows.popleft()
            log.dropped = oldest.last
            log.bytes -= len(oldest.body)
        changed, log.changed = log.changed, asyncio.Event()
        changed.set()
