"""Messages of runs to running functions, on this host and on another."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from temporalio import workflow
from temporalio.worker import Worker

from runtime import LuaPlugin, Runtime
from runtime.contracts import Started
from runtime.temporal import wire
from runtime.temporal.dev_server import DevServer
from runtime.temporal.worker.process_queue import Delivered
from runtime.temporal.workflow import system_activities
from tests.temporal.stage import Files, staged
from tests.waiting import eventually

# Spawns a run that sends to it, and reads what comes.
ASK = """return { main = function(entry, n)
  local inbox, seen = process.inbox(), {}
  local run = assert(process.spawn(entry, 't:worker', process.pid()))
  for i = 1, n do
    local message = inbox:receive()
    seen[i] = { message:topic(), message:payload():data(), message:from() == run }
  end
  return { run = run:match('|(.+)}'), seen = seen }
end }"""

# Twenty messages, in two steps.
TELL = """return { main = function(to)
  for i = 1, 12 do assert(process.send(to, 'n', i) == true) end
  time.sleep('1ms')
  for i = 13, 20 do assert(process.send(to, 'n', i) == true) end
  return 'told'
end }"""

# One message to somebody who is not there.
LATE = """return { main = function(to)
  local ok, err = process.send(to, 'late', 1)
  return { ok, err == nil }
end }"""


@workflow.defn(name="twice", sandboxed=False)
class Twice:
    """Delivers one batch twice and then another, as an activity does whose answer is lost."""

    @workflow.run
    async def run(self, node: str, to: str) -> None:
        for name in ("r/1", "r/1", "r/2"):
            batch = {"to": to, "messages": [{"id": name, "topic": "n", "args": 1}]}
            await workflow.execute_activity(
                wire.DELIVER,
                args=[batch, name],
                task_queue=wire.NODE_QUEUE.format(node=node),
                start_to_close_timeout=timedelta(seconds=10),
            )


async def test_a_run_answers_the_function_that_spawned_it_in_order(files: Files, temporal_server: DevServer) -> None:
    files.function("ask", ASK).workflow("tell", TELL)
    async with staged(files, temporal_server.address) as stage:
        answer = await stage.call("ask", "t:tell", 20)
        assert answer["seen"] == [["n", number, True] for number in range(1, 21)]
        run = Started(answer["run"], "", "")
        assert await stage.result(run) == "told"
        assert (await stage.event_types(run)).count("ACTIVITY_TASK_SCHEDULED") == 2  # one for each step
        assert [result.failure for result in await stage.replay(run)] == [None]


async def test_each_node_gets_its_own_messages(files: Files, temporal_server: DevServer) -> None:
    """One node serves the queues, the other only runs a function; both are told by runs on the first."""
    files.function("ask", ASK).workflow("tell", TELL)
    async with (
        staged(files, temporal_server.address) as serving,
        staged(files, temporal_server.address, serving=False) as other,
    ):
        assert serving.host.node != other.host.node
        answers = await asyncio.gather(serving.call("ask", "t:tell", 20), other.call("ask", "t:tell", 20))
        for answer in answers:
            assert answer["seen"] == [["n", number, True] for number in range(1, 21)]


async def test_runtimes_with_and_without_workers_and_over_http(files: Files, temporal_server: DevServer) -> None:
    """The same function: called on a runtime that serves, on one that only calls, and behind an endpoint."""
    files.function("ask", ASK).workflow("tell", TELL)
    files.function("answer", "return { main = function() return funcs.call('t:ask', 't:tell', 20) end }")
    files.entry(name="http", kind="http.service", addr="127.0.0.1:0")
    files.entry(name="router", kind="http.router", server="http", prefix="/api")
    files.entry(name="endpoint", kind="http.endpoint", router="router", method="GET", path="/ask", func="answer")
    files.load()
    path, address = files.directory / "registry.yaml", temporal_server.address
    async with (
        Runtime.open(path, temporal=address, http=True, environ={}) as serving,
        Runtime.open(path, temporal=address, workers=False, environ={}) as calling,
        aiohttp.ClientSession(serving.urls["t:http"]) as http,
        http.get("/api/ask") as response,
    ):
        answers = [await response.json(), await serving.call("t:answer"), await calling.call("t:answer")]
        for answer in answers:
            assert answer["seen"] == [["n", number, True] for number in range(1, 21)]


async def test_without_the_workflow_cache_every_message_still_comes_once(
    files: Files, temporal_server: DevServer
) -> None:
    files.function("ask", ASK).workflow("tell", TELL).worker(max_cached_workflows=0)
    async with staged(files, temporal_server.address) as stage:
        answer = await stage.call("ask", "t:tell", 20)
        assert [item[1] for item in answer["seen"]] == list(range(1, 21))


async def test_what_a_process_that_ended_does_not_get_is_logged(
    files: Files, temporal_server: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    files.workflow("late", LATE)
    with caplog.at_level(logging.WARNING, "evermoon.script"):
        async with staged(files, temporal_server.address) as stage:
            gone = f"{{t:ask@{stage.host.node}|1}}"
            run = await stage.start("late", gone)
            assert await stage.result(run) == [True, True]
            assert [result.failure for result in await stage.replay(run)] == [None]
    [line] = [record for record in caplog.records if record.name == "evermoon.script"]
    assert line.getMessage() == f'message "late" to {gone} was not delivered: process not found: {gone}'
    assert (vars(line)["evermoon"]["at"], vars(line)["evermoon"]["pid"]) == ("late.lua:2", run.pid)


async def test_a_run_gives_up_on_a_node_that_does_not_answer(
    files: Files, temporal_server: DevServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system_activities, "SEND_GRACE", 2)
    files.workflow("late", LATE)
    with caplog.at_level(logging.WARNING, "evermoon.script"):
        async with staged(files, temporal_server.address) as stage:
            run = await stage.start("late", "{t:ask@nobody.there|1}")
            assert await stage.result(run) == [True, True]
            assert [result.failure for result in await stage.replay(run)] == [None]
    [line] = [record for record in caplog.records if record.name == "evermoon.script"]
    assert "was not delivered" in line.getMessage()


async def test_an_activity_that_runs_twice_delivers_once(files: Files, temporal_server: DevServer) -> None:
    files.function(
        "two",
        """return { main = function()
             local inbox = process.inbox()
             return { inbox:receive():payload():data(), inbox:receive():payload():data() }
           end }""",
    )
    async with staged(files, temporal_server.address, serving=False) as stage:
        await stage.clients.get()
        reading = asyncio.ensure_future(stage.call("two"))
        await eventually(lambda: bool(stage.host.running))
        async with Worker(stage.client, task_queue=files.queue, workflows=[Twice]):
            args: list[Any] = [stage.host.node, stage.host.running[0]]
            await stage.client.execute_workflow("twice", args=args, id=files.queue, task_queue=files.queue)
        assert await reading == ["r/1", "r/2"]


def test_what_is_remembered_is_bounded() -> None:
    delivered = Delivered(remembered=2)
    assert [delivered.is_new("p", name) for name in ("a/1", "a/2", "a/1", "b/1", "a/3", "a/3")] == [
        True, True, False, True, True, False,
    ]  # fmt: skip
    assert delivered.is_new("p", "c/1")
    assert delivered.is_new("p", "b/1")  # forgotten for c
    assert not delivered.is_new("p", "c/1")
    delivered.refused("p", "c/1")
    assert delivered.is_new("p", "c/1")  # it did not arrive


async def test_functions_in_a_worker_of_ones_own_are_reached(files: Files, temporal_server: DevServer) -> None:
    files.activity("ask", ASK.replace("t:worker", files.queue)).workflow("tell", TELL)
    files.workflow("main", "return { main = function() return funcs.call('t:ask', 't:tell', 20) end }")
    async with staged(files, temporal_server.address, serving=False) as stage:
        plugin = LuaPlugin(files.directory / "registry.yaml", environ={})
        async with Worker(stage.client, task_queue=files.queue, plugins=[plugin]):
            answer = await stage.run("main")
            assert [item[1] for item in answer["seen"]] == list(range(1, 21))


# Gives its PID to a run, which ends it; then says what it read, and how it was asked to end.
ENDED = """return { main = function(entry)
  local inbox, events = process.inbox(), process.events()
  assert(process.spawn(entry, 't:worker', process.pid()))
  local event = events:receive()
  local read = {}
  while true do
    local got = channel.select({ inbox:case_receive(), default = true })
    if got.default then break end
    read[#read + 1] = got.value:payload():data()
  end
  return { kind = event.kind, reason = event.reason, by = event.from, read = read }
end }"""


async def test_a_run_cancels_a_function_after_what_it_sent_to_it(files: Files, temporal_server: DevServer) -> None:
    files.function("ended", ENDED)
    files.workflow(
        "ender",
        """return { main = function(to)
             for i = 1, 3 do assert(process.send(to, 'n', i)) end
             assert(process.cancel(to, 'enough'))
             return 'asked'
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        answer = await stage.call("ended", "t:ender")
        assert (answer["kind"], answer["reason"], answer["read"]) == ("pid.cancel", "enough", [1, 2, 3])
        run = Started(answer["by"].partition("|")[2].removesuffix("}"), "", "")
        assert await stage.result(run) == "asked"
        assert [result.failure for result in await stage.replay(run)] == [None]


async def test_a_run_terminates_a_process_of_a_host(files: Files, temporal_server: DevServer) -> None:
    files.entry(name="host", kind="process.host")
    files._script(
        "process.lua", "sleeper", "return { main = function() process.events():receive() end }", {"modules": []}
    )
    files.workflow(
        "ender",
        """return { main = function(to)
             local ok = process.terminate(to)
             local again, err = process.terminate(to)
             return { ok, again == nil, err:kind(), err:retryable(), err:message():find('not found', 1, true) ~= nil }
           end }""",
    )
    files.function(
        "outside",
        """return { main = function()
             local pid = assert(process.spawn_monitored('t:sleeper', 't:host'))
             local said = assert(process.exec('t:ender', 't:worker', pid))
             local event = process.events():receive()
             return { said = said, kind = event.kind, mine = event.from == pid, error = event.result.error:kind() }
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        assert await stage.call("outside") == {
            "said": [True, True, "NotFound", False, True],
            "kind": "pid.exit",
            "mine": True,
            "error": "Canceled",
        }


async def test_cancelling_on_a_node_that_does_not_answer_is_a_timeout(
    files: Files, temporal_server: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system_activities, "SEND_GRACE", 2)
    files.workflow(
        "ender",
        """return { main = function(to)
             local _, err = process.cancel(to)
             return err:kind()
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("ender", "{t:host@nobody.there|1}")
        assert await stage.result(run) == "Timeout"
        assert [result.failure for result in await stage.replay(run)] == [None]
