from __future__ import annotations

import logging
from pathlib import Path

import pytest

from runtime.errors import LIMIT_EXCEEDED, Error
from runtime.temporal import dev_server
from runtime.temporal.dev_server import DevServer
from runtime.temporal.history import long_histories
from tests.temporal.stage import Files, staged

WAITING = """return { main = function()
  workflow.status('waiting')
  local inbox = process.listen('go')
  for i = 1, 3 do inbox:receive() end
end }"""
LOGGER = "runtime.temporal.workflow.run"


@pytest.mark.parametrize(
    ("events", "size", "warned"),
    [(9_999, 0, False), (10_000, 0, True), (1, 20 * 1024 * 1024 - 1, False), (1, 20 * 1024 * 1024, True)],
)
def test_events_and_bytes_make_a_history_long(events: int, size: int, warned: bool) -> None:
    assert (long_histories.warning(events, size) is not None) == warned


async def test_a_run_with_a_long_history_is_warned_about_and_not_asked(
    files: Files, temporal_server: DevServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    files.workflow("main", WAITING).worker(max_cached_workflows=0)
    monkeypatch.setattr(long_histories, "EVENTS", 6)
    with caplog.at_level(logging.WARNING, LOGGER):
        async with staged(files, temporal_server.address) as stage:
            run = await stage.start("main")
            await stage.until(run, "WORKFLOW_TASK_COMPLETED")
            short = await stage.runs.describe(run.id, stack=True)
            assert (short.warnings, short.details) == ([], "waiting")
            assert short.stack
            for number in (2, 3):
                await stage.send(run, "go")
                await stage.until(run, "WORKFLOW_TASK_COMPLETED", number)
            long = await stage.runs.describe(run.id, stack=True)
            assert (long.details, long.stack, len(long.warnings)) == (None, [], 2)
            assert f"{long.history_length} events" in long.warnings[0]
            assert "process.upgrade" in long.warnings[0]
            assert "evermoon show --stack" in long.warnings[1]
            asked = await stage.runs.describe(run.id, stack=True, replayed=True)
            assert (asked.details, asked.warnings) == ("waiting", long.warnings[:1])
            assert asked.stack
            await stage.send(run, "go")
            await stage.result(run)
            ended = await stage.runs.describe(run.id, replayed=True)
            assert (ended.details, ended.warnings) == ("waiting", [])
    told = [record.getMessage() for record in caplog.records if record.name == LOGGER]
    assert len(told) == 1
    assert f"workflow {run.id} (t:main): the history is long" in told[0]


@pytest.mark.parametrize("more", [{}, {"on_error": "retry_task"}])
async def test_a_run_whose_history_is_full_ends_and_says_so(
    files: Files, temporal_server: DevServer, monkeypatch: pytest.MonkeyPatch, more: dict[str, str]
) -> None:
    """Whatever its script does, and again in a replay."""
    files.workflow(
        "main",
        "return function() while true do pcall(function() process.listen('go'):receive() end) end end",
        meta={"temporal": {"workflow": {"worker": "worker", **more}}},
    ).worker(max_cached_workflows=0)
    monkeypatch.setattr(long_histories, "FULL_EVENTS", 12)
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        for number in (1, 2, 3):
            await stage.until(run, "WORKFLOW_TASK_COMPLETED", number)
            await stage.send(run, "go")
        with pytest.raises(Error) as failed:
            await stage.result(run)
        assert (failed.value.kind, (failed.value.details or {})["limit"]) == (LIMIT_EXCEEDED, "history")
        assert "the history of this run is full" in failed.value.message
        assert (await stage.runs.describe(run.id)).status == "FAILED"
        monkeypatch.setattr(long_histories, "FULL_EVENTS", 49_000)
        [replayed] = await stage.replay(run)
        assert replayed.failure is None


async def test_who_asks_is_told_that_the_server_suggests_to_continue_as_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the description of the run and in its stack, from then on; the run itself asks `workflow.continue_as_new_suggested`."""
    soon = {**dev_server.DYNAMIC_CONFIG, "limit.historyCount.suggestContinueAsNew": "6"}
    monkeypatch.setattr(dev_server, "DYNAMIC_CONFIG", soon)
    files = Files(tmp_path).workflow("main", WAITING)
    async with DevServer(ui=False) as server, staged(files, server.address) as stage:
        run = await stage.start("main")
        handle = stage.client.get_workflow_handle(run.id)
        for number, suggested in ((1, False), (2, True), (3, True)):
            await stage.until(run, "WORKFLOW_TASK_COMPLETED", number)
            assert (await stage.runs.describe(run.id)).continue_as_new_suggested == suggested
            stack = await handle.query("__stack_trace", result_type=str)
            assert ("suggests to continue as new: process.upgrade" in stack) == suggested
            await stage.send(run, "go")
        await stage.result(run)
        assert not (await stage.runs.describe(run.id)).continue_as_new_suggested
