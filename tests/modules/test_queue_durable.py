"""What every durable driver of queues promises: nothing that was published is lost, and what is acknowledged is over."""

from __future__ import annotations

import asyncio
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import INTERNAL, RATE_LIMITED, UNAVAILABLE, Error
from runtime.modules.queue.message import DEAD_ATTEMPTS, DEAD_ERROR, MessageQueue, QueueMessage
from runtime.modules.queue.queues import queues_of
from runtime.payload import Payload
from runtime.principal import Actor, Principal
from runtime.process.host import ProcessHost
from runtime.registry import Registry
from tests.process.support import host, load
from tests.waiting import eventually

KINDS = ("state file", "sqlite", "postgres", "redis")
SOON = {"initial_delay": "1ms", "max_delay": "2ms"}
ROOT = Path(__file__).parents[2]
#: Notes when it begins and when it is about to return.
HANDLER = """
import asyncio
from pathlib import Path
from evermoon import current

async def handle(body):
    with Path(body["file"]).open("a") as file:
        file.write(f"begun {body['n']}\\n")
    await asyncio.sleep(0.005)
    with Path(body["file"]).open("a") as file:
        file.write(f"done {body['n']}\\n")
"""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def driver(kind: str, request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """The entries of a driver that no other test's messages are in."""
    mine = f"q{uuid.uuid4().hex[:8]}"
    if kind == "redis":
        return [
            {
                "name": "driver",
                "kind": "queue.driver.redis",
                "url": request.getfixturevalue("redis_url"),
                "prefix": mine,
            }
        ]
    if kind == "state file":
        return [{"name": "driver", "kind": "queue.driver.sql"}]
    if kind == "sqlite":
        database: dict[str, Any] = {"name": "db", "kind": "db.sql.sqlite", "file": "q.db"}
    else:
        database = {"name": "db", "kind": "db.sql.postgres", "url": request.getfixturevalue("postgres_url")}
    return [database, {"name": "driver", "kind": "queue.driver.sql", "database": "db", "table": mine}]


def registry(directory: Path, driver: list[dict[str, Any]], lease: str = "30s", **options: Any) -> Registry:
    """With queues `q` and `dead`."""
    named = [
        {"name": name, "kind": "queue.queue", "driver": "driver", "driver_options": {**SOON, **more}}
        for name, more in {"q": {"dead_letter": "dead", **options}, "dead": {}}.items()
    ]
    drivers = [{**entry, "lease": lease} if entry["name"] == "driver" else entry for entry in driver]
    return load(directory, {}, [*drivers, *named])


@asynccontextmanager
async def opened(made: Registry, state: Path) -> AsyncIterator[tuple[ProcessHost, MessageQueue, MessageQueue]]:
    """A host, which starts no services, and its queues."""
    async with host(made, state=state) as target:
        queues = await queues_of(target.resources)
        found = [await queues.of(made, f"app:{name}") for name in ("q", "dead")]
        assert found[0] is not None
        assert found[1] is not None
        yield target, found[0], found[1]


def message(value: Any, **fields: Any) -> QueueMessage:
    return QueueMessage(Payload.of(value), **fields)


async def test_a_message_comes_as_it_was_published_in_order_and_goes_when_it_is_acknowledged(
    tmp_path: Path, driver: list[dict[str, Any]]
) -> None:
    made = registry(tmp_path, driver)
    who = Principal(Actor("ann", {"role": "clerk"}), ("app:staff",))
    async with opened(made, tmp_path) as (_, queue, _):
        await queue.put(
            message(
                {"n": 1.0}, headers={"h": [1, "é"]}, context={"trace": "t"}, sender="{x@y|1}", principal=who, id="m-1"
            )
        )
        for n in range(2, 12):
            await queue.put(message(n))
        first = await queue.take()
        assert (first.id, first.body.data, first.headers, first.context) == (
            "m-1",
            b'{"n":1.0}',
            {"h": [1, "é"]},
            {"trace": "t"},
        )
        assert (first.sender, first.principal, first.attempt) == ("{x@y|1}", who, 1)
        rest = [await queue.take() for _ in range(10)]
        assert [it.body.value() for it in rest] == list(range(2, 12))
        assert (await queue.info())["in_flight"] == 11
        for it in [first, *rest]:
            await queue.ack(it)
        assert (await queue.info())["message_count"] == 0


async def test_an_id_is_taken_in_once_also_after_its_message_was_handled(
    tmp_path: Path, driver: list[dict[str, Any]]
) -> None:
    async with opened(registry(tmp_path, driver), tmp_path) as (_, queue, _):
        for _ in range(3):
            await queue.put(message("a", id="once"))
        await queue.ack(await queue.take())
        await queue.put(message("a", id="once"))
        await queue.put(message("b", id="other"))
        assert (await queue.take()).body.value() == "b"
        assert (await queue.info())["message_count"] == 1


async def test_a_message_waits_for_its_delay_and_one_given_back_is_first_in_line(
    tmp_path: Path, driver: list[dict[str, Any]]
) -> None:
    async with opened(registry(tmp_path, driver), tmp_path) as (_, queue, _):
        await queue.put(message("late", delay=0.3))
        await queue.put(message("never", delay=3600))
        assert (await queue.info())["delayed"] >= 1
        await queue.put(message("now"))
        await queue.put(message("next"))
        first = await queue.take()
        await queue.untake(first)
        again = await queue.take()
        assert (again.id, again.attempt, again.body.value()) == (first.id, 1, "now")
        assert [(await queue.take()).body.value() for _ in range(2)] == ["next", "late"]
        info = await queue.info()
        assert (info["message_count"], info["delayed"], info["in_flight"]) == (4, 1, 3)


async def test_what_fails_comes_again_and_is_a_dead_letter_after_its_last_attempt(
    tmp_path: Path, driver: list[dict[str, Any]]
) -> None:
    async with opened(registry(tmp_path, driver, max_attempts=2), tmp_path) as (_, queue, dead):
        await queue.put(message({"n": 1}, headers={"mine": True}, id="m"))
        for attempt in (1, 2):
            taken = await queue.take()
            assert taken.attempt == attempt
            await queue.nack(taken, Error(UNAVAILABLE, "busy"))
        letter = await dead.take()
        assert (letter.id, letter.headers["mine"], letter.headers[DEAD_ATTEMPTS]) == ("m", True, 2)
        assert letter.headers[DEAD_ERROR] == {"kind": UNAVAILABLE, "message": "busy"}
        assert (await queue.info())["message_count"] == 0


async def test_a_full_queue_takes_nothing_more(tmp_path: Path, driver: list[dict[str, Any]]) -> None:
    async with opened(registry(tmp_path, driver, max_length=1), tmp_path) as (_, queue, _):
        await queue.put(message("a"))
        assert (await queue.info())["ready"] is False
        with pytest.raises(Error, match="app:q is full") as caught:
            await queue.put(message("b"))
        assert caught.value.kind == RATE_LIMITED


async def test_whose_lease_ran_out_changes_nothing_any_more(tmp_path: Path, driver: list[dict[str, Any]]) -> None:
    """The first consumer does not renew: its host is as good as dead."""
    made = registry(tmp_path, driver, lease="1ms", max_attempts=2)
    async with opened(made, tmp_path) as (_, queue, dead):
        await queue.put(message("a", id="m"))
        first = await queue.take()
        second = await queue.take()
        assert (second.id, second.attempt) == ("m", 2)
        await queue.ack(first)
        assert (await queue.info())["message_count"] == 1
        letter = await _first_of(queue, dead)
        assert letter.headers[DEAD_ERROR]["kind"] == INTERNAL
        assert "its handler ended with its host, 2 times" in letter.headers[DEAD_ERROR]["message"]


async def _first_of(queue: MessageQueue, dead: MessageQueue) -> QueueMessage:
    """The first dead letter, while somebody looks for messages."""
    looking = asyncio.create_task(queue.take())
    try:
        return await dead.take()
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def test_consumer_killed_loses_none_of_fifty_published(tmp_path: Path, driver: list[dict[str, Any]]) -> None:
    (tmp_path / "handling.py").write_text(HANDLER)
    handler = {"name": "handle", "kind": "function.py", "source": "py://handling:handle"}
    consumer = {"name": "consumer", "kind": "queue.consumer", "queue": "q", "func": "handle", "concurrency": 3}
    made = registry(tmp_path, [*driver, handler, consumer], lease="1s")
    notes = tmp_path / "notes"
    notes.touch()
    async with opened(made, tmp_path / "state") as (_, queue, _):
        for n in range(50):
            await queue.put(message({"n": n, "file": str(notes)}))
        await _consumed(made, tmp_path, notes, 15)
        await _consumed(made, tmp_path, notes, 50, queue)
    assert _done(notes) == {str(n) for n in range(50)}


async def _consumed(
    made: Registry, directory: Path, notes: Path, count: int, queue: MessageQueue | None = None
) -> None:
    """By a process that is killed when so many messages have been handled, and `queue` is empty."""
    command = [sys.executable, "-m", "tests.modules.queue_host", str(made.path), str(directory / "state")]
    consuming = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    try:
        await eventually(partial(_done, notes), lambda done: len(done) >= count)
        if queue is not None:
            await eventually(queue.info, lambda info: info["message_count"] == 0)
    finally:
        consuming.send_signal(signal.SIGKILL)
        await consuming.wait()


def _done(notes: Path) -> set[str]:
    return {line.split()[1] for line in notes.read_text().splitlines() if line.startswith("done")}
