"""The streams of a process: the store that its registry names, opened at its first use, and what is published to it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.contracts import ActivityPort
from runtime.errors import Error, invalid
from runtime.late import late
from runtime.modules.stream.memory import MemoryStreams
from runtime.modules.stream.queue import INTERVAL, Locate, PublishQueue, Target
from runtime.modules.stream.record import Published, Publisher
from runtime.modules.stream.store import DEFAULT, Bounds, StreamStore
from runtime.payload import JSON, NULL, Payload
from runtime.registry import Registry
from runtime.registry.kinds.stream import Stream, StreamRedis, StreamSql

if TYPE_CHECKING:
    import asyncio

    from runtime.modules.stream import redis, sql
else:
    asyncio = late("asyncio")
    redis, sql = late("runtime.modules.stream.redis"), late("runtime.modules.stream.sql")

_log = logging.getLogger("evermoon.stream")

#: Seconds between two looks for what is too old.
_SWEEP = 60.0
MAX_NAME = 128  # bytes
MAX_DATA = 64 * 1024  # bytes
_MAX_POSITION = 2**53
#: Seconds that a heartbeat, and the end of an attempt, wait for what was published before to be kept.
_BRIEFLY, _AT_THE_END = 1.0, 10.0


class Outlet:
    """What one execution publishes by. It costs nothing to have one."""

    def __init__(self, streams: Streams, entry: str, pid: str, activity: ActivityPort | None) -> None:
        self._streams, self._entry, self._pid, self._activity = streams, entry, pid, activity
        self._positions: dict[tuple[Target, str], int] = {}

    @cached_property
    def _who(self) -> tuple[Publisher, Target | None]:
        """Who publishes, and the run that called."""
        info = self._activity.info if self._activity is not None else {}
        if not info.get("workflow_id"):
            return Publisher(self._pid, entry=self._entry), None
        return _of_activity(self._entry, info)

    def publish(self, name: str, data: Payload, position: int | None = None, run: str | None = None) -> None:
        """To the run that called, or to another one. Raises `Error` INVALID for what cannot be published, and for nothing else."""
        text = _text(name, data)
        publisher, own = self._who
        target = Target(run) if run else own
        if target is None:
            raise invalid("no run called this: say to which run to publish (run = …)")
        key = (target, name)
        place = position if position is not None else self._positions.get(key, 0) + 1
        self._positions[key] = max(place, self._positions.get(key, 0))
        event = Published(publisher, name, text, place, position is not None, time.time_ns() // 1_000_000)
        self._streams.queue.publish(target, event)

    @property
    def _published_to(self) -> Target | None:
        return self._who[1] if self._positions else None

    @property
    def is_kept(self) -> bool:
        own = self._published_to
        return own is None or self._streams.queue.is_kept(own)

    async def kept(self) -> None:
        own = self._published_to
        if own is not None:
            await self._streams.queue.flushed(own, _BRIEFLY)

    async def settled(self) -> None:
        """At its end: what it published is with the store, unless that does not answer. Nobody but an attempt, which may be tried again, waits long."""
        own, queue = self._published_to, self._streams.queue
        for target in dict.fromkeys(target for target, _ in self._positions):
            if target == own:
                await queue.finish(target, _AT_THE_END)
            else:
                await queue.flushed(target, _AT_THE_END if own is not None else _BRIEFLY)


def _text(name: str, data: Payload) -> bytes:
    if not isinstance(name, str) or not 0 < len(name.encode()) <= MAX_NAME:
        raise invalid(f"the name of a stream is 1 to {MAX_NAME} bytes long")
    if data.encoding != NULL and data.encoding != JSON:
        raise invalid("what is published has a JSON form: bytes have none, encode them (base64)")
    text = b"null" if data.encoding == NULL else data.data
    if len(text) > MAX_DATA:
        raise invalid(f"what is published has at most {MAX_DATA} bytes, and this has {len(text)}: publish it in parts")
    return text


def position_of(value: Any) -> int | None:
    """Raises `Error` INVALID."""
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or value != int(value)
        or not 0 <= value <= _MAX_POSITION
    ):
        raise invalid("a position is a whole number from 0 on")
    return int(value)


class Streams:
    """Made with the registry whose `stream.*` entry names the store. Without one it is the file `default`, and without that the memory of this process."""

    def __init__(
        self,
        registry: Registry,
        locate: Locate,
        *,
        default: Path | None = None,
        given: StreamStore | None = None,
        interval: float = INTERVAL,
    ) -> None:
        """`given`: the store, whatever the registry says."""
        self._registry, self._default = registry, default
        self._opening: asyncio.Lock | None = None
        self._opened = given
        self._sweeping: asyncio.Task[None] | None = None
        self.queue = PublishQueue(self.store, locate, interval)

    async def store(self) -> StreamStore:
        """Raises `Error` UNAVAILABLE."""
        if self._opened is None:
            self._opening = self._opening or asyncio.Lock()
            async with self._opening:
                if self._opened is None:
                    self._opened = await self._open()
                    self._sweeping = asyncio.create_task(_sweep(self._opened), name="stream sweep")
        return self._opened

    def outlet(self, entry: str, pid: str, activity: ActivityPort | None) -> Outlet:
        """For one execution; in the loop."""
        self.queue.begin()
        return Outlet(self, entry, pid, activity)

    async def close(self) -> None:
        await self.queue.close()
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()

    def _entry(self) -> Stream | None:
        found = self._registry.of_kind(Stream)
        if not found:
            return None
        self._registry.services.require(found[0])
        return self._registry.resolve(found[0])

    async def _open(self) -> StreamStore:
        entry = self._entry()
        if isinstance(entry, StreamSql):
            return await sql.opened(self._registry, entry, _bounds(entry))
        if isinstance(entry, StreamRedis):
            return redis.opened(entry, _bounds(entry))
        if entry is not None:
            return MemoryStreams(_bounds(entry))
        if self._default is not None:
            return await sql.opened_file(self._default, DEFAULT)
        return MemoryStreams()


async def _sweep(store: StreamStore) -> None:
    """Without end."""
    while True:
        await asyncio.sleep(_SWEEP)
        try:
            await store.sweep()
        except Error as error:
            _log.warning("old streams were not removed: %s", error)


def _bounds(entry: Stream) -> Bounds:
    return Bounds(entry.max_events, entry.max_bytes, entry.keep.total_seconds())


def _of_activity(entry: str, info: Mapping[str, Any]) -> tuple[Publisher, Target]:
    run, run_id = str(info["workflow_id"]), str(info.get("run_id") or "")
    activity, attempt = str(info.get("activity_id") or ""), int(info.get("attempt") or 1)
    publisher = Publisher(f"{run_id}/{activity}", attempt, entry, activity)
    return publisher, Target(run, run_id or None, f"{activity}/{attempt}")
