"""What every stream store promises, whatever it is kept in."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.contracts import Cursor, RunEvent
from runtime.modules.sql.database import OpenDatabase
from runtime.modules.stream.memory import MemoryStreams
from runtime.modules.stream.record import Published, PublishedBatch, Publisher
from runtime.modules.stream.redis import RedisStreams
from runtime.modules.stream.sql import SqlStreams
from runtime.modules.stream.store import Bounds, StreamStore
from runtime.registry.kinds.storage import SqlPostgres, SqlSqlite
from runtime.registry.models import Place
from tests.waiting import eventually

START = Cursor(0)
KINDS = ("memory", "sqlite", "postgres", "redis")
SMALL = Bounds(events=10, bytes=100_000)


async def opened(kind: str, directory: Path, request: pytest.FixtureRequest, bounds: Bounds) -> StreamStore:
    """Another one on the same data, but for that in memory."""
    if kind == "memory":
        return MemoryStreams(bounds)
    if kind == "redis":
        return RedisStreams("t:streams", request.getfixturevalue("redis_url"), directory.name, bounds)
    place = Place(file=directory / "registry.yaml", line=1, namespace="t", root=directory)
    if kind == "sqlite":
        entry: SqlSqlite | SqlPostgres = SqlSqlite(name="db", kind="db.sql.sqlite", file="streams.db", place=place)
    else:
        url = request.getfixturevalue("postgres_url")
        entry = SqlPostgres(name="db", kind="db.sql.postgres", url=url, place=place)
    store = SqlStreams(OpenDatabase(entry), f"stream_{directory.name[-8:].replace('-', '_')}", bounds)
    await store.prepare()
    return store


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / f"s{uuid.uuid4().hex[:8]}"
    made.mkdir()
    return made


@pytest.fixture
async def store(kind: str, directory: Path, request: pytest.FixtureRequest) -> AsyncIterator[StreamStore]:
    made = await opened(kind, directory, request, SMALL)
    yield made
    await made.close()


def event(
    data: str, position: int, *, by: str = "a", attempt: int = 1, placed: bool = False, name: str = "tokens"
) -> Published:
    return Published(
        Publisher(by, attempt, "t:f", "1"), name, f'"{data}"'.encode(), position, placed, 1_700_000_000_000
    )


def words(text: str, first: int = 1, *, attempt: int = 1, placed: bool = False) -> list[Published]:
    return [event(word, n, attempt=attempt, placed=placed) for n, word in enumerate(text.split(), first)]


async def all_of(store: StreamStore, log: str = "log", after: Cursor = START) -> list[RunEvent]:
    found: list[RunEvent] = []
    while events := await store.read(log, after, limit=2):
        found += events
        assert events[-1].id is not None
        after = events[-1].id
    return found


def told(events: list[RunEvent]) -> list[str]:
    return [event.data.get("data", event.name) for event in events]


async def test_events_have_rising_numbers_and_the_mark_of_their_time(store: StreamStore) -> None:
    await store.append([PublishedBatch("log", 0, words("a b"))])
    await store.mark("log", 7)
    await store.mark("log", 5)
    await store.append([PublishedBatch("log", 3, words("c", 3)), PublishedBatch("other", 9, words("x"))])
    events = await all_of(store)
    assert [event.id for event in events] == [(1, 1), (1, 2), (7, 3)]
    assert told(events) == ["a", "b", "c"]
    assert dict(events[0].data) == {
        "at": "2023-11-14T22:13:20.000Z", "seq": 1, "name": "tokens", "data": "a", "activity": "t:f", "activity_id": "1",
        "attempt": 1, "position": 1,
    }  # fmt: skip
    assert told(await all_of(store, after=Cursor(1, 1))) == ["b", "c"]
    assert told(await all_of(store, after=Cursor(4))) == ["c"]
    assert told(await all_of(store, after=Cursor(7, 3))) == []
    assert told(await all_of(store, "other")) == ["x"]
    assert await all_of(store, "nothing") == []


async def test_what_is_there_already_is_dropped(store: StreamStore) -> None:
    batch = PublishedBatch("log", 1, words("a b"))
    for _ in range(3):
        await store.append([batch])
    assert told(await all_of(store)) == ["a", "b"]
    await store.append([PublishedBatch("log", 1, words("b c d", 2))])
    assert told(await all_of(store)) == ["a", "b", "c", "d"]


async def test_an_attempt_goes_on_by_position_or_begins_anew(store: StreamStore) -> None:
    await store.append([PublishedBatch("log", 1, words("a b c", placed=True))])
    await store.append([PublishedBatch("log", 1, words("b c d", 2, attempt=2, placed=True))])
    assert told(await all_of(store)) == ["a", "b", "c", "d"]
    await store.append([PublishedBatch("log", 1, words("late", 9, attempt=1, placed=True))])
    assert told(await all_of(store)) == ["a", "b", "c", "d"]
    await store.append([PublishedBatch("log", 1, words("e f", attempt=3))])
    assert told(await all_of(store)) == ["a", "b", "c", "d", "stream.restarted", "e", "f"]
    await store.append(
        [PublishedBatch("log", 1, [event("other", 1, by="b"), event("named", 1, attempt=3, name="news")])]
    )
    assert told(await all_of(store))[-2:] == ["other", "named"]


async def test_the_oldest_go_first(store: StreamStore) -> None:
    assert not (await store.edges("log")).has_lost(Cursor(1, 0))
    for number in range(1, 26):
        await store.append([PublishedBatch("log", 1, words(str(number), number))])
    assert told(await all_of(store)) == [str(number) for number in range(16, 26)]
    edges = await store.edges("log")
    assert (edges.first, edges.last, edges.dropped) == ((1, 16), (1, 25), 15)
    assert edges.has_lost(Cursor(1, 14))
    assert not edges.has_lost(Cursor(1, 15))
    await store.append(
        [PublishedBatch("log", 1, words("19", 19))]
    )  # what was dropped is still known to have been there
    assert told(await all_of(store))[-1] == "25"


async def test_the_bytes_are_bounded(store: StreamStore) -> None:
    for number in range(1, 6):
        await store.append([PublishedBatch("log", 1, words("x" * 40_000, number))])
    assert [event.data["seq"] for event in await all_of(store)] == [4, 5]


async def test_who_waits_hears_of_a_change(
    kind: str, store: StreamStore, directory: Path, request: pytest.FixtureRequest
) -> None:
    other = store if kind == "memory" else await opened(kind, directory, request, SMALL)
    waiting = asyncio.ensure_future(store.changed("log", 0))
    await asyncio.sleep(0)
    await other.append([PublishedBatch("log", 1, words("a"))])
    await waiting
    await store.changed("log", 0)
    assert told(await all_of(store)) == ["a"]
    if other is not store:
        await other.close()


async def test_who_waits_and_is_cancelled_ends_at_whatever_moment_that_is(store: StreamStore) -> None:
    await store.append([PublishedBatch("log", 1, words("a"))])
    for turns in range(60):  # of the loop, so that each moment of a question to the store is one of them
        waiting = asyncio.create_task(store.changed("log", 1))
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        _, still = await asyncio.wait([waiting], timeout=5)
        assert not still, f"still waits when cancelled after {turns} turns"


async def test_many_who_add_at_once_lose_and_double_nothing(
    kind: str, store: StreamStore, directory: Path, request: pytest.FixtureRequest
) -> None:
    others = [store] if kind == "memory" else [await opened(kind, directory, request, Bounds()) for _ in range(3)]

    async def publish(number: int) -> None:
        for position in range(1, 6):
            new = event(f"{number}.{position}", position, by=str(number))
            await others[number % len(others)].append(
                [PublishedBatch("log", 1, [new]), PublishedBatch(f"own-{number}", 1, [new])]
            )

    await asyncio.gather(*map(publish, range(6)))
    events = await all_of(others[0])
    if kind != "memory":  # whose bounds are small
        assert [event.data["seq"] for event in events] == list(range(1, 31))
        for number in range(6):
            own = [text for text in told(events) if text.startswith(f"{number}.")]
            assert own == [f"{number}.{position}" for position in range(1, 6)]
            assert told(await all_of(store, f"own-{number}")) == own
    for other in others:
        if other is not store:
            await other.close()


async def test_what_nobody_adds_to_is_removed_and_known_to_have_been(
    kind: str, store: StreamStore, directory: Path, request: pytest.FixtureRequest
) -> None:
    short = await opened(kind, directory, request, Bounds(keep=0.05))
    await short.append([PublishedBatch("log", 5, words("a b"))])
    await eventually(lambda: swept(short), lambda events: events == [])
    assert (await short.edges("log")).has_lost(Cursor(5, 1))
    assert not (await short.edges("log")).has_lost(Cursor(5, 2))
    await short.append([PublishedBatch("log", 5, words("c", 3))])
    assert [event.id for event in await all_of(short)] == [(5, 3)]
    await store.sweep()
    assert told(await all_of(short)) == ["c"]
    await short.close()


async def swept(store: StreamStore) -> list[RunEvent]:
    await store.sweep()
    return await all_of(store)
