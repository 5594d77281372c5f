"""The outbox: what a transaction sends is sent when it is committed, once, and otherwise never."""

from __future__ import annotations

import asyncio
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime import Runtime
from runtime.errors import INVALID, NOT_FOUND, Error
from runtime.modules.queue.message import MessageQueue
from runtime.modules.queue.queues import queues_of
from runtime.payload import Payload
from runtime.process.host import ProcessHost
from runtime.registry import Registry
from runtime.temporal.client.clients import Clients
from runtime.temporal.client.runs import Runs
from runtime.temporal.dev_server import DevServer
from tests.process.support import MODULES, call, function, host, load
from tests.waiting import eventually

KINDS = ("sqlite", "postgres")
ROOT = Path(__file__).parents[2]
#: Books something and says so in one transaction, which ends as it is told.
BOOK = """return function(ends, target, message, options)
  local db = sql.get("app:db")
  local tx = db:begin()
  assert(tx:execute("CREATE TABLE IF NOT EXISTS BOOKED (n TEXT)"))
  assert(tx:execute("INSERT INTO BOOKED VALUES ('x')"))
  local id, err = outbox.add(target, message, options)
  if err then return nil, err end
  if ends == "commit" then assert(tx:commit()) else assert(tx:rollback()) end
  return id
end"""
ADD = "return function() return outbox.add('app:mails', 1) end"
TWO = """return function()
  local one, two = sql.get("app:db"):begin({read_only = true}), sql.get("app:db"):begin({read_only = true})
  return outbox.add("app:mails", 1)
end"""
WITHOUT_RELAY = "return function() sql.get('app:other'):begin() return outbox.add('app:mails', 1) end"
WITH = [*MODULES, "sql", "outbox"]


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param == "sqlite":
        return {"name": "db", "kind": "db.sql.sqlite", "file": "shop.db"}
    return {"name": "db", "kind": "db.sql.postgres", "url": request.getfixturevalue("postgres_url")}


def registry(directory: Path, database: dict[str, Any], lease: str = "30s") -> Registry:
    mine = f"o{uuid.uuid4().hex[:8]}"
    entries = [
        database,
        {"name": "other", "kind": "db.sql.sqlite", "file": ":memory:"},
        {"name": "relay", "kind": "outbox.relay", "database": "db", "table": mine, "lease": lease},
        {"name": "driver", "kind": "queue.driver.sql", "lease": lease},
        {"name": "mails", "kind": "queue.queue", "driver": "driver", "driver_options": {"max_message": "1KiB"}},
        *(function(name, modules=WITH) for name in ("book", "add", "two", "without_relay")),
    ]
    sources = {
        "book.lua": BOOK.replace("BOOKED", f"b{mine}"),
        "add.lua": ADD,
        "two.lua": TWO,
        "without_relay.lua": WITHOUT_RELAY,
    }
    return load(directory, sources, entries)


@asynccontextmanager
async def opened(made: Registry, state: Path) -> AsyncIterator[tuple[ProcessHost, MessageQueue]]:
    """A host that starts no relay, and the queue."""
    async with host(made, state=state) as target:
        queue = await (await queues_of(target.resources)).of(made, "app:mails")
        assert queue is not None
        yield target, queue


async def test_what_is_committed_is_sent_and_what_is_rolled_back_is_not(
    tmp_path: Path, database: dict[str, Any]
) -> None:
    async with opened(registry(tmp_path, database), tmp_path) as (target, queue):
        await call(target, "book", "rollback", "app:mails", {"n": 1})
        options = {"id": "m-2", "headers": {"priority": 5}, "delay": "1ms"}
        assert await call(target, "book", "commit", "app:mails", {"n": 2}, options, context={"trace": "t"}) == "m-2"
        id = await call(target, "book", "commit", "app:mails", {"n": 3})
        assert (await queue.info())["message_count"] == 0
        await target.services.start()
        taken = [await queue.take(), await queue.take()]
        assert sorted((it.body.value()["n"], it.id) for it in taken) == [(2, "m-2"), (3, id)]
        second = next(it for it in taken if it.id == "m-2")
        assert (dict(second.headers), dict(second.context)) == ({"priority": 5}, {"trace": "t"})


async def test_one_id_is_sent_once_though_it_was_added_twice(tmp_path: Path, database: dict[str, Any]) -> None:
    async with opened(registry(tmp_path, database), tmp_path) as (target, queue):
        await target.services.start()
        for _ in range(2):
            await call(target, "book", "commit", "app:mails", "same", {"id": "m"})
            await call(target, "book", "commit", "app:mails", "other")
        taken = [await queue.take() for _ in range(3)]
        assert sorted(it.body.value() for it in taken) == ["other", "other", "same"]


async def test_relay_killed_between_commit_and_sending_loses_and_doubles_nothing(
    tmp_path: Path, database: dict[str, Any]
) -> None:
    made = registry(tmp_path, database, lease="1s")
    async with opened(made, tmp_path / "state") as (target, queue):
        for n in range(60):
            await call(target, "book", "commit", "app:mails", n)
        await _relayed(made, tmp_path / "state", queue, 10)
        await _relayed(made, tmp_path / "state", queue, 60)
        taken = [await queue.take() for _ in range(60)]
        assert sorted(it.body.value() for it in taken) == list(range(60))
        assert (await queue.info())["message_count"] == 60


async def _relayed(made: Registry, state: Path, queue: MessageQueue, count: int) -> None:
    """By a process that is killed when so many messages have arrived."""
    command = [sys.executable, "-m", "tests.modules.queue_host", str(made.path), str(state)]
    relaying = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    try:
        await eventually(queue.info, lambda info: info["message_count"] >= count)
    finally:
        relaying.send_signal(signal.SIGKILL)
        await relaying.wait()


@pytest.mark.parametrize(
    ("args", "kind", "said"),
    [
        (["add"], INVALID, "belongs into a transaction"),
        (["two"], INVALID, "several are open here"),
        (["without_relay"], INVALID, "no outbox.relay with database app:other"),
        (["book", "commit", "app:mail", 1], NOT_FOUND, 'did you mean "app:mails"'),
        (["book", "commit", "app:mails", "x" * 2000], INVALID, "app:mails takes 1024"),
        (["book", "commit", "app:mails", 1, {"dely": "1s"}], INVALID, "there is no option 'dely'"),
        (["book", "commit", "app:mails", 1, {"delay": "soon"}], INVALID, "delay: "),
        (["book", "commit", "run-7", 1, {"signal": "paid", "delay": "1s"}], INVALID, "run-7 is none"),
    ],
)
async def test_what_cannot_be_sent_is_refused_where_it_is_added(
    tmp_path: Path, args: list[Any], kind: str, said: str
) -> None:
    made = registry(tmp_path, {"name": "db", "kind": "db.sql.sqlite", "file": "shop.db"})
    async with opened(made, tmp_path) as (target, _):
        with pytest.raises(Error) as caught:
            await call(target, *args)
        assert caught.value.kind == kind
        assert said in caught.value.message


ORDER = """return function(first)
  local paid, seen = process.listen("paid"), {first}
  while seen[#seen] ~= "last" do seen[#seen + 1] = paid:receive() end
  return seen
end"""
REGISTRY = """
namespace: app
entries:
  - {name: temporal, kind: temporal.client, address: "localhost:1"}
  - {name: worker, kind: temporal.worker, client: temporal, task_queue: QUEUE}
  - {name: db, kind: db.sql.sqlite, file: shop.db}
  - {name: relay, kind: outbox.relay, database: db}
  - {name: order, kind: workflow.lua, source: file://order.lua, meta: {temporal: {workflow: {worker: worker}}}}
  - {name: book, kind: function.lua, source: file://book.lua, modules: [sql, outbox]}
"""


async def test_outbox_starts_a_run_once_and_signals_it_once(tmp_path: Path, temporal_server: DevServer) -> None:
    (tmp_path / "order.lua").write_text(ORDER)
    (tmp_path / "book.lua").write_text(BOOK)
    run = f"order-{uuid.uuid4().hex[:8]}"
    (tmp_path / "registry.yaml").write_text(REGISTRY.replace("QUEUE", run))
    async with Runtime.open(
        tmp_path / "registry.yaml", temporal=temporal_server.address, environ={}, state=tmp_path
    ) as rt:
        for _ in range(2):
            await rt.call("app:book", "commit", "app:order", "start", {"workflow_id": run})
        await eventually(lambda: _is_there(rt, run))
        clients = Clients(rt.registry, address=temporal_server.address)
        for _ in range(2):  # as when a relay is killed after it has sent one
            await Runs(rt.registry, clients).signal(run, "paid", [Payload.of("once")], request="m-1")
        await rt.call("app:book", "commit", run, "twice", {"signal": "paid", "id": "m-2"})
        await eventually(lambda: _signals(rt, run), lambda count: count == 2)
        await rt.call("app:book", "commit", run, "last", {"signal": "paid"})
        assert await rt.result(run, timeout=120) == ["start", "once", "twice", "last"]


async def _is_there(rt: Runtime, run: str) -> bool:
    try:
        await rt.describe(run)
    except Error:
        return False
    return True


async def _signals(rt: Runtime, run: str) -> int:
    history = await rt.history(run)
    return sum(event["eventType"].endswith("WORKFLOW_EXECUTION_SIGNALED") for event in history["events"])
