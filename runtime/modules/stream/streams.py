"""The streams of a process: the store that its registry names, opened at its first use, and what is published to it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.contracts import ActivityPort
from runtime.errors import Error, invalid
from runtime.late import late
from runtime.modules.stream.memory import MemoryStreams
from runtime.modules.stream.queue import INTERVAL, Locate, PublishQueue, PublishTarget
from runtime.modules.stream.record import LIVE, Published, Publisher
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


@dataclass(slots=True)
class _Stream:
    """One that an execution publishes to, and the position of its last event."""

    publisher: Publisher
    target: PublishTarget
    last: int = 0


class Outlet:
    """What one execution publishes by. It costs nothing to have one."""

    def __init__(self, streams: Streams, entry: str, pid: str, activity: ActivityPort | None) -> None:
        self._streams, self._entry, self._pid, self._activity = streams, entry, pid, activity
        self._known: dict[tuple[str, str | None], _Stream] = {}

    @cached_property
    def _who(self) -> tuple[Publisher, PublishTarget | None]:
        """Who publishes, and the run that called."""
        info = self._activity.info if self._activity is not None else {}
        if not info.get("workflow_id"):
            return Publisher(self._pid, entry=self._entry), None
        return _of_activity(self._entry, info)

    def publish(self, name: str, data: Payload, position: int | None = None, run: str | None = None) -> None:
        """To the run that called, or to another one. Raises `Error` INVALID for what cannot be published, and for nothing else."""
        stream = self._known.get((name, run))
        if stream is None:
            _check_name(name)
        text = _text(data)
        if stream is None:
            stream = self._known[name, run] = self._stream(run)
        is_placed = position is not None
        place = position if position is not None else stream.last + 1
        if place > stream.last:
            stream.last = place
        at = time.time_ns() // 1_000_000
        self._streams.queue.publish(stream.target, Published(stream.publisher, name, text, place, is_placed, at))

    def _stream(self, run: str | None) -> _Stream:
        publisher, own = self._who
        target = PublishTarget(run) if run else own
        if target is None:
            raise invalid("no run called this: say to which run to publish (run = …)")
        return _Stream(publisher, target)

    @property
    def _published_to(self) -> PublishTarget | None:
        return self._who[1] if self._known else None

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
        for target in dict.fromkeys(stream.target for stream in self._known.values()):
            if target == own:
                await queue.finish(target, _AT_THE_END)
            else:
                await queue.flushed(target, _AT_THE_END if own is not None else _BRIEFLY)


def live(source: str, event: str, about: Mapping[str, Any], position: int, at: int) -> Published | None:
    """An event of a run, as `Streams.tell` takes it; None for what is too large, or bytes, of which there is nothing to show."""
    try:
        data = Payload.of({name: value for name, value in about.items() if value is not None}).data
    except Error:
        return None
    return Published(Publisher(source), LIVE + event, data, position, True, at) if len(data) <= MAX_DATA else None


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not 0 < len(name.encode()) <= MAX_NAME or name.startswith(LIVE):
        raise invalid(f"the name of a stream is 1 to {MAX_NAME} bytes long")


def _text(data: Payload) -> bytes:
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
        self._opened, self._is_given = given, given is not None
        self._leaving: set[asyncio.Task[None]] = set()
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

    def use(self, registry: Registry) -> bool:
        """From now on the store is the one that this registry names; in the loop. Whether that is another one, which then has nothing of what was
        published so far. What waits to be written goes to it."""
        before, self._registry = _place(self._registry), registry
        if self._is_given or before == _place(registry):
            return False
        opened, self._opened = self._opened, None
        if self._sweeping is not None:
            self._sweeping.cancel()
        if opened is not None:
            leaving = asyncio.create_task(opened.close(), name="former stream store")
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
        return True

    def outlet(self, entry: str, pid: str, activity: ActivityPort | None) -> Outlet:
        """For one execution; in the loop."""
        self.queue.begin()
        return Outlet(self, entry, pid, activity)

    async def add(self, target: PublishTarget, events: Sequence[Published]) -> None:
        """In the loop. Returns when the store has them, or does not answer in time: then they wait for it."""
        self.queue.begin()
        for event in events:
            self.queue.publish(target, event)
        await self.queue.flushed(target, _BRIEFLY)

    def tell(self, target: PublishTarget, source: str, event: str, about: Mapping[str, Any], position: int) -> None:
        """What happens to a run, to those who follow it now, before its history says so. From any thread. `source` and `position` are the same
        wherever it is told, so that it is heard once. What is too large is not told."""
        told = live(source, event, about, position, time.time_ns() // 1_000_000)
        if told is not None:
            self.queue.publish(target, told, counts=False)

    async def close(self) -> None:
        await self.queue.close()
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)
        await asyncio.gather(*self._leaving, return_exceptions=True)
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()

    def _entry(self) -> Stream | None:
        found = _named(self._registry)
        if found is None:
            return None
        self._registry.services.require(found)
        return self._registry.resolve(found)

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


def _named(registry: Registry) -> Stream | None:
    return next(iter(registry.of_kind(Stream)), None)


def _place(registry: Registry) -> object:
    """Equal for registries that name the same store."""
    entry = _named(registry)
    if entry is None:
        return None
    database = registry.get(entry.database) if isinstance(entry, StreamSql) else None
    return entry.definition, database.definition if database is not None else None


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


def _of_activity(entry: str, info: Mapping[str, Any]) -> tuple[Publisher, PublishTarget]:
    run, run_id = str(info["workflow_id"]), str(info.get("run_id") or "")
    activity, attempt = str(info.get("activity_id") or ""), int(info.get("attempt") or 1)
    publisher = Publisher(f"{run_id}/{activity}", attempt, entry, activity)
    return publisher, PublishTarget(run, run_id or None, f"{activity}/{attempt}")
