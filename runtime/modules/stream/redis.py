"""A stream store in Redis, which all processes share that can reach it.

A log is a Redis stream, whose ids are the numbers of the last event of each row, and two hashes. Who adds to a log watches it, so that of two
who add at once one begins again. One connection of a process hears which logs have changed, however many runs it follows.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.exceptions import RedisError, WatchError

from runtime.contracts import Cursor, RunEvent
from runtime.errors import Error
from runtime.modules.redis_client import asked, redis_client
from runtime.modules.stream.record import PublishedBatch, Row, Source, Sources, admitted
from runtime.modules.stream.store import DEFAULT, REMEMBERED, Bounds, Edges
from runtime.registry.kinds.stream import StreamRedis

_log = logging.getLogger("evermoon.stream")

#: Seconds until a log is looked at without being told of a change.
_LOOK = 1.0
#: Rows that are read at once, and logs that are written to at once.
_ROWS, _AT_ONCE = 200, 16


class _Keys(NamedTuple):
    log: str
    rows: str
    sources: str


class _Log(NamedTuple):
    mark: int = 1
    last: int = 0
    dropped: int = 0
    bytes: int = 0


class RedisStreams:
    """Made with the URL of a server."""

    def __init__(self, id: str, url: str, prefix: str = "evermoon", bounds: Bounds = DEFAULT) -> None:
        """Raises `Error` INVALID, without the URL, which may hold a password."""
        self._id, self._prefix, self._bounds = id, f"{prefix}:stream", bounds
        self._redis = redis_client(id, url)
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._changed: dict[str, asyncio.Event] = {}
        self._hearing: asyncio.Task[None] | None = None

    async def append(self, batches: Sequence[PublishedBatch]) -> None:
        async with asked(self._id):
            outcomes = await asyncio.gather(*map(self._append, batches), return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome

    async def mark(self, log: str, event: int) -> None:
        async with asked(self._id):
            found = await self._state(self._redis, log)
            if found.mark >= event:
                return
            async with self._redis.pipeline() as pipe:
                while True:
                    try:
                        found = await self._watched(pipe, log)
                        if found.mark < event:
                            self._put(pipe, log, found._replace(mark=event))
                        await pipe.execute()
                        return
                    except WatchError:
                        continue

    async def read(self, log: str, after: Cursor, limit: int = 1000) -> list[RunEvent]:
        events: list[RunEvent] = []
        since = after.seq
        async with asked(self._id):
            while True:
                rows = [
                    _row(*found) for found in await self._redis.xrange(self._keys(log).rows, f"({since}-0", count=_ROWS)
                ]
                for row in rows:
                    events.extend(row.after(after))
                    if len(events) >= limit:
                        return events
                if events or not rows:
                    return events
                since = rows[-1].last

    async def edges(self, log: str) -> Edges:
        rows = self._keys(log).rows
        async with asked(self._id):
            state = await self._state(self._redis, log)
            first = [_row(*found) for found in await self._redis.xrange(rows, count=1)]
            last = [_row(*found) for found in await self._redis.xrevrange(rows, count=1)]
        if not first or not last:
            return Edges(dropped=state.dropped)
        return Edges(Cursor(first[0].mark, first[0].first), Cursor(last[0].mark, last[0].last), state.dropped)

    async def changed(self, log: str, seq: int) -> None:
        if self._hearing is None:
            self._hearing = asyncio.create_task(self._hear(), name=f"{self._id} changes")
        while True:
            changed = self._changed.setdefault(log, asyncio.Event())
            async with asked(self._id):
                if (await self._state(self._redis, log)).last > seq:
                    return
            try:
                async with asyncio.timeout(_LOOK):
                    await changed.wait()
            except TimeoutError:
                pass

    async def sweep(self) -> None:
        before = int((time.time() - self._bounds.keep) * 1000)
        async with asked(self._id), self._redis.pipeline() as pipe:
            for name in await self._redis.zrangebyscore(f"{self._prefix}:touched", 0, before):
                try:
                    await self._sweep(pipe, name.decode())
                except WatchError:  # somebody adds to it
                    continue

    async def _sweep(self, pipe: Any, log: str) -> None:
        keys = self._keys(log)
        state = await self._watched(pipe, log)
        pipe.multi()
        pipe.delete(keys.rows, keys.sources)
        pipe.hset(keys.log, mapping=state._replace(dropped=state.last, bytes=0)._asdict())
        pipe.expire(keys.log, int(self._bounds.keep * REMEMBERED) + 1)
        pipe.zrem(f"{self._prefix}:touched", log)
        await pipe.execute()

    async def close(self) -> None:
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.gather(self._hearing, return_exceptions=True)
        await self._redis.aclose()

    # Writing --------------------------------------------------------------------------------------------------------------

    async def _append(self, batch: PublishedBatch) -> None:
        async with self._turn, self._redis.pipeline() as pipe:
            while True:
                try:
                    if await self._add(pipe, batch):
                        await self._redis.publish(f"{self._prefix}:changed", batch.log)
                    return
                except WatchError:
                    continue

    async def _add(self, pipe: Any, batch: PublishedBatch) -> bool:
        """Whether anything was new."""
        keys = self._keys(batch.log)
        if batch.is_live and not await self._redis.exists(keys.log):
            return False
        log = await self._watched(pipe, batch.log)
        log = log._replace(mark=max(log.mark, batch.mark))
        sources = await self._sources(pipe, keys, batch)
        before = dict(sources)
        texts = admitted(sources, batch.events)
        if not texts:
            await pipe.unwatch()
            return False
        row = Row.of(log.mark, log.last + 1, texts)
        log, gone = await self._trimmed(pipe, keys, log._replace(last=row.last, bytes=log.bytes + len(row.body)))
        self._put(pipe, batch.log, log)
        if gone:
            pipe.xdel(keys.rows, *gone)
        pipe.xadd(keys.rows, {"first": row.first, "mark": row.mark, "body": row.body}, id=f"{row.last}-0")
        new = {_field(*key): _text(source) for key, source in sources.items() if before.get(key) != source}
        if new:
            pipe.hset(keys.sources, mapping=new)
        await pipe.execute()
        return True

    async def _sources(self, pipe: Any, keys: _Keys, batch: PublishedBatch) -> Sources:
        names = sorted({(event.publisher.id, event.name) for event in batch.events})
        found = await pipe.hmget(keys.sources, [_field(*name) for name in names])
        return {name: _source(text) for name, text in zip(names, found, strict=True) if text is not None}

    async def _trimmed(self, pipe: Any, keys: _Keys, log: _Log) -> tuple[_Log, list[bytes]]:
        """The log without the oldest rows that are too much, and the ids of these."""
        gone: list[bytes] = []
        while log.bytes > self._bounds.bytes or log.last - log.dropped > self._bounds.events:
            found = await pipe.xrange(keys.rows, f"({log.dropped}-0", count=1)
            if not found:
                break
            row = _row(*found[0])
            gone.append(found[0][0])
            log = log._replace(dropped=row.last, bytes=log.bytes - len(row.body))
        return log, gone

    async def _watched(self, pipe: Any, log: str) -> _Log:
        await pipe.watch(self._keys(log).log)
        return await self._state(pipe, log)

    async def _state(self, redis: Any, log: str) -> _Log:
        found = await redis.hmget(self._keys(log).log, _Log._fields)
        return _Log(**{name: int(text) for name, text in zip(_Log._fields, found, strict=True) if text is not None})

    def _put(self, pipe: Any, log: str, state: _Log) -> None:
        pipe.multi()
        pipe.hset(self._keys(log).log, mapping=state._asdict())
        pipe.persist(self._keys(log).log)
        pipe.zadd(f"{self._prefix}:touched", {log: int(time.time() * 1000)})

    def _keys(self, log: str) -> _Keys:
        head = f"{self._prefix}:{{{log}}}"
        return _Keys(f"{head}:log", f"{head}:rows", f"{head}:sources")

    # Hearing --------------------------------------------------------------------------------------------------------------

    async def _hear(self) -> None:
        """Who waits looks by himself from time to time, so nothing is lost while this connection is."""
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as heard:
                    async with asked(self._id):
                        await heard.subscribe(f"{self._prefix}:changed")
                    while True:
                        async with asked(self._id):
                            message = await heard.get_message(timeout=_LOOK)
                        if message is not None and (changed := self._changed.pop(message["data"].decode(), None)):
                            changed.set()
            except (Error, RedisError, OSError):
                await asyncio.sleep(_LOOK)


def _row(id: bytes, fields: dict[bytes, bytes]) -> Row:
    return Row(int(fields[b"mark"]), int(fields[b"first"]), int(id.partition(b"-")[0]), fields[b"body"])


def _field(publisher: str, name: str) -> str:
    return f"{publisher}\0{name}"


def _text(source: Source) -> str:
    return f"{source.attempt} {source.position} {source.is_placed:d}"


def _source(text: bytes) -> Source:
    attempt, position, is_placed = map(int, text.split())
    return Source(attempt, position, bool(is_placed))


def opened(entry: StreamRedis, bounds: Bounds) -> RedisStreams:
    """The store of an entry. Raises `Error` INVALID; does not connect yet."""
    return RedisStreams(entry.id, entry.url, entry.prefix, bounds)
