"""A step that spends its time before its budget: it is tried again with more time, and ends its run when that does not help."""

from __future__ import annotations

import pytest

from runtime.errors import LIMIT_EXCEEDED, Error, limit_exceeded
from runtime.lua import session
from runtime.lua.protocol import Batch
from runtime.temporal import wire
from runtime.temporal.dev_server import DevServer
from runtime.temporal.workflow import overtime
from runtime.temporal.workflow.overtime import Overrun, Overtime
from tests.temporal.stage import Files, Stage, staged
from tests.waiting import eventually

#: What no instruction counts: a large string is copied, or gone through.
SPINS = {
    "concat": 'local s = ("a"):rep(1000000) while true do local _ = s .. "b" end',
    "less": 'local a = ("a"):rep(1000000) local b = a .. "b" while true do local _ = a < b end',
}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MAX_SECONDS_OF_A_WORKFLOW", 0.2)
    monkeypatch.setattr(overtime, "FAIR", 0.1)


async def _fails(stage: Stage, name: str) -> Error:
    """How a run ends, live and in a replay, which does not take the step."""
    run = await stage.start(name)
    with pytest.raises(Error) as caught:
        await stage.result(run)
    types = await stage.event_types(run)
    assert types[-1] == "WORKFLOW_EXECUTION_FAILED"
    assert types.count("MARKER_RECORDED") == 1
    assert "ACTIVITY_TASK_SCHEDULED" not in types
    assert [result.failure for result in await stage.replay(run)] == [None]
    return caught.value


@pytest.mark.parametrize("shadow", [False, True])
@pytest.mark.parametrize("name", SPINS)
async def test_a_run_that_cannot_get_past_a_step_ends(
    files: Files, temporal_server: DevServer, name: str, shadow: bool
) -> None:
    """Whatever it catches; what the step asked for before is not done."""
    files.worker(shadow=shadow).activity("act", "return function() end")
    files.workflow(
        "main",
        f"return function()\n time.sleep('1ms')\n funcs.async('t:act')\n pcall(function() {SPINS[name]} end) end",
    )
    async with staged(files, temporal_server.address) as stage:
        error = await _fails(stage, "main")
    assert (error.kind, error.details) == (LIMIT_EXCEEDED, {"limit": "time", "at": "main.lua:4"})
    assert error.message == "time limit of a step spent at main.lua:4 in each of 3 tries: do less between two waits"


async def test_the_task_of_a_run_that_waits_for_a_mended_script_is_tried_on(
    files: Files, temporal_server: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    files.workflow(
        "main",
        f"return function() {SPINS['concat']} end",
        meta={"temporal": {"workflow": {"worker": "worker", "on_error": "retry_task"}}},
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await eventually(lambda: caplog.text.count(run.id) > overtime.TRIES, every=0.1)
        await stage.runs.terminate(run.id)
        assert "MARKER_RECORDED" not in await stage.event_types(run)


SPENT = Batch("failed", error=limit_exceeded("spent", limit="time", at="main.lua:4"), spent="time")


def test_tries_are_of_one_step_of_one_run() -> None:
    told = Overtime()
    assert told.tries("run", 1) == 0
    assert told.add("run", 1, SPENT, 1) is None
    assert told.add("other", 1, SPENT, 1) is None
    assert told.add("run", 1, SPENT, 1) is None
    assert (told.tries("run", 1), told.tries("run", 2), told.tries("other", 1)) == (2, 0, 1)
    assert told.add("run", 2, SPENT, 1) is None
    assert (told.tries("run", 1), told.tries("run", 2)) == (0, 1)
    assert told.add("other", 1, SPENT, 1) is None
    assert told.add("other", 1, SPENT, 1) == Overrun(1, "main.lua:4")
    assert told.tries("other", 1) == 0


def test_a_step_that_others_left_no_time_has_not_been_tried() -> None:
    told = Overtime()
    for _ in range(overtime.TRIES * 2):
        assert told.add("run", 1, SPENT, overtime.FAIR / 2) is None
        assert told.add("run", 1, SPENT, 1, 2.1) is None
    assert told.tries("run", 1) == 0


def test_a_worker_remembers_the_latest_of_many_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overtime, "_MOST", 2)
    told = Overtime()
    for run in ("a", "b", "a", "c"):
        told.add(run, 1, SPENT, 1)
    assert [told.tries(run, 1) for run in ("a", "b", "c")] == [2, 0, 1]


@pytest.mark.parametrize("at", ["main.lua:4", "", "a@b:c.lua:1"])
def test_a_marker_is_read_as_it_was_written(at: str) -> None:
    assert overtime.read(Overrun(12, at).marker) == Overrun(12, at)


@pytest.mark.parametrize("marker", [wire.HISTORY_MARKER, "mine@2", "evermoon.overtime:x@y", "evermoon.overtime"])
def test_other_markers_are_no_overrun(marker: str) -> None:
    assert overtime.read(marker) is None


def test_the_place_of_a_long_name_is_its_end() -> None:
    error = limit_exceeded("spent", limit="time", at="ä" * 300 + ".lua:4")
    told = Overtime()
    found = [told.add("run", 1, Batch("failed", error=error, spent="time"), 1) for _ in range(overtime.TRIES)][-1]
    assert found is not None
    assert found.at.endswith("ä.lua:4")
    assert len(found.marker.encode()) < 250
