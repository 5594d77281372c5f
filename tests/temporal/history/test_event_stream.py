"""What happens to a run, as those see it who follow it: on a real server."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from runtime.contracts import RESET, Cursor, RunEvent
from runtime.errors import INVALID, NOT_FOUND, Error
from runtime.temporal.dev_server import DevServer
from runtime.temporal.history.event_stream import EventStream, Tail
from runtime.temporal.history.run_chain import Histories
from tests.temporal.stage import Files, Stage, staged
from tests.waiting import eventually

STEPS = """
local function main(name)
  local topic = process.listen("go")
  time.sleep("1ms")
  assert(funcs.call("t:works", name))
  local _, err = funcs.call("t:refuses")
  local _, cancelled = process.exec("t:child", "t:worker", 1)
  topic:receive()
  return { done = name }
end
return main
"""
HOPS = """
return function(left)
  process.listen("go"):receive()
  if left == 0 then return "landed" end
  process.upgrade(nil, left - 1)
end
"""


async def seen(stage: Stage, run: str, after: Cursor | None = None, *, wait: bool = True) -> list[RunEvent]:
    async with stage.runs.follow(run, after, wait=wait) as feed:
        return [event async for event in feed]


async def until(stage: Stage, run: str, name: str, count: int = 1) -> list[RunEvent]:
    """What a follower has heard once it hears of so many `name`."""
    heard: list[RunEvent] = []
    async with stage.runs.follow(run) as feed:
        async for event in feed:
            heard.append(event)
            if [event.name for event in heard].count(name) == count:
                return heard
    raise AssertionError(f"the run ended without {name}: {names(heard)}")


def names(events: Iterable[RunEvent]) -> list[str]:
    return [event.name for event in events]


def data(events: Iterable[RunEvent], name: str) -> list[dict[str, Any]]:
    return [dict(event.data) for event in events if event.name == name]


def are_rising(events: Iterable[RunEvent]) -> bool:
    ids = [event.id for event in events if event.id is not None]
    return all(one < other for one, other in itertools.pairwise(ids))


@pytest.fixture
def stepping(files: Files) -> Files:
    files.workflow("steps", STEPS).workflow("child", "return function(n) return n end").workflow("hops", HOPS)
    files.activity("works", "return function(name) return name end")
    refusing = 'return function() return nil, errors.new({ kind = "Declined", message = "no", retryable = false }) end'
    return files.activity("refuses", refusing)


async def test_every_step_is_an_event_and_a_late_reader_sees_the_same(
    stepping: Files, temporal_server: DevServer
) -> None:
    async with staged(stepping, temporal_server.address) as stage:
        run = await stage.start("steps", "ann")
        follower = asyncio.create_task(seen(stage, run.id))
        await until(stage, run.id, "child.completed")
        await stage.send(run, "go")
        followed = await follower
        assert names(followed) == [
            "started",
            "timer.started",
            "timer.fired",
            *("step.scheduled", "step.started", "step.completed"),
            *("step.scheduled", "step.started", "step.failed"),
            *("child.scheduled", "child.started", "child.completed"),
            "signal",
            "completed",
        ]
        assert are_rising(followed)
        assert {event.data["run_id"] for event in followed} == {run.run_id}
        assert all(event.data["at"] for event in followed)
        works, refuses = data(followed, "step.scheduled")
        assert (works["activity"], works["summary"], refuses["activity"]) == ("t:works", "steps.lua:5", "t:refuses")
        assert data(followed, "step.started")[0]["attempt"] == 1
        [failed] = data(followed, "step.failed")
        assert (failed["activity"], failed["error"]["kind"], failed["error"]["message"]) == (
            "t:refuses",
            "Declined",
            "no",
        )
        [child] = data(followed, "child.completed")
        assert child["type"] == "t:child"
        assert data(followed, "signal")[0]["topic"] == "go"
        assert data(followed, "completed")[0]["result"] == {"done": "ann"}

        assert await seen(stage, run.id) == followed
        assert await seen(stage, run.id, wait=False) == followed
        for at in range(0, len(followed), 4):
            assert await seen(stage, run.id, followed[at].id) == followed[at + 1 :]


async def test_one_chain_of_continued_runs_is_one_stream(stepping: Files, temporal_server: DevServer) -> None:
    async with staged(stepping, temporal_server.address) as stage:
        run = await stage.start("hops", 2)
        follower = asyncio.create_task(seen(stage, run.id))
        for hop in (1, 2):
            await stage.send(run, "go")
            await until(stage, run.id, "continued", hop)
        await stage.send(run, "go")
        followed = await follower
        assert names(followed) == ["started", "signal", "continued", "signal", "continued", "signal", "completed"]
        assert are_rising(followed)
        assert data(followed, "continued")[0]["why"] == "continue_as_new"
        assert data(followed, "continued")[0]["next_run_id"] == followed[3].data["run_id"]
        assert await seen(stage, run.id) == followed
        for at in range(len(followed)):
            assert await seen(stage, run.id, followed[at].id) == followed[at + 1 :]


@pytest.mark.parametrize("end", ["canceled", "terminated", "failed", "timed_out"])
async def test_every_end_is_the_last_event(files: Files, temporal_server: DevServer, end: str) -> None:
    files.workflow("waits", 'return function() local _, _, e = process.listen("go"):receive() return nil, e end')
    files.workflow("fails", "return function() error('broken') end")
    async with staged(files, temporal_server.address) as stage:
        options = {"run_timeout": 1000} if end == "timed_out" else {}
        run = await stage.start("fails" if end == "failed" else "waits", options=options)
        if end == "canceled":
            await stage.runs.cancel(run.id)
        elif end == "terminated":
            await stage.runs.terminate(run.id, "enough")
        *_, last = await seen(stage, run.id)
        assert last.name == end
        if end == "failed":
            assert "broken" in last.data["error"]["message"]
        if end == "canceled":
            assert last.data["error"]["kind"] == "Canceled"
            assert last.data["error"]["message"].startswith("workflow canceled")
        if end == "terminated":
            assert last.data["reason"] == "enough"


async def test_a_run_that_is_tried_again_goes_on(files: Files, temporal_server: DevServer) -> None:
    files.workflow(
        "tries",
        "return function() if workflow.info().attempt < 2 then return nil, errors.new({ message = 'not yet', retryable = true }) end return 'now' end",
    )
    async with staged(files, temporal_server.address) as stage:
        policy = {"maximum_attempts": 3, "initial_interval": 1}
        run = await stage.start("tries", options={"retry_policy": policy})
        followed = await seen(stage, run.id)
        assert names(followed) == ["started", "continued", "completed"]
        [went_on] = data(followed, "continued")
        assert (went_on["why"], "not yet" in went_on["error"]["message"]) == ("retry", True)
        assert await seen(stage, run.id) == followed


async def test_local_activities_are_steps_and_the_host_s_own_are_not(files: Files, temporal_server: DevServer) -> None:
    files.activity("near", "return function(n) return n end", local=True)
    files.workflow("waits", "return function() process.listen('go'):receive() end")
    files.workflow("uses", "return function(pid) funcs.call('t:near', 1) process.terminate(pid) end")
    async with staged(files, temporal_server.address) as stage:
        other = await stage.start("waits")
        followed = await seen(stage, (await stage.start("uses", other.pid)).id)
        assert names(followed) == ["started", "step.completed", "completed"]
        assert data(followed, "step.completed")[0]["activity"] == "t:near"


async def test_a_cursor_of_nothing_that_is_there_begins_again(stepping: Files, temporal_server: DevServer) -> None:
    async with staged(stepping, temporal_server.address) as stage:
        run = await stage.start("hops", 0)
        await stage.send(run, "go")
        followed = await seen(stage, run.id)
        assert await seen(stage, run.id, Cursor(100_000)) == [RESET, *followed]
        async with stage.runs.follow(run.id, followed[-1].id) as feed:
            assert feed.is_over
        with pytest.raises(Error) as caught:
            await seen(stage, "nobody-started-this")
        assert caught.value.kind == NOT_FOUND


async def test_what_is_kept_is_bounded_and_who_is_behind_reads_for_himself(
    stepping: Files, temporal_server: DevServer
) -> None:
    async with staged(stepping, temporal_server.address) as stage:
        run = await stage.start("hops", 1)
        for hop in (1, 2):
            await stage.send(run, "go")
            if hop == 1:
                await until(stage, run.id, "continued")
        whole = await seen(stage, run.id)
        tail = Tail(Histories(stage.client, run.id), kept=1)
        await tail.begun()
        try:
            assert len(tail.after(Cursor(0))) == 1
            assert [event async for event in EventStream(tail, None, wait=True, is_reset=False)] == whole
            assert [event async for event in EventStream(tail, whole[2].id, wait=True, is_reset=False)] == whole[3:]
        finally:
            await tail.end()


async def test_followers_outlive_a_restart_of_the_server(stepping: Files, tmp_path: Path) -> None:
    state = tmp_path / "state"
    server = DevServer(state, ui=False)
    await server.start()
    port = int(server.address.rpartition(":")[2])
    async with staged(stepping, server.address) as stage:
        run = await stage.start("hops", 0)
        heard: list[RunEvent] = []

        async def listen() -> None:
            async with stage.runs.follow(run.id) as feed:
                async for event in feed:
                    heard.append(event)

        follower = asyncio.create_task(listen())
        await eventually(lambda: bool(heard))
        await server.stop()
        server = DevServer(state, ui=False, port=port)
        await server.start()
        try:
            await stage.send(run, "go")
            await follower
            assert names(heard) == ["started", "signal", "completed"]
            assert await seen(stage, run.id) == heard
        finally:
            await stage.workers.stop()
            await server.stop()


@pytest.mark.parametrize("text", ["", "1", "1.", "a.b", "1.2.3", "-1.0", "9" * 30 + ".0"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(Error) as caught:
        Cursor.parse(text)
    assert caught.value.kind == INVALID
