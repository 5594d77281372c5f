"""What is said of runs from outside: how they are doing, how they ended, and who asked for that."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from runtime.contracts import RunFailed
from runtime.errors import Error
from runtime.temporal.core_log import forward_core_log
from runtime.temporal.dev_server import DevServer
from tests.temporal.stage import Files, Stage, staged
from tests.waiting import eventually

WAITING = """
return { main = function()
  workflow.query("name", function() return "unnamed" end)
  workflow.update("rename", function() return true end)
  local _, err = time.sleep("1h")
  return nil, err
end }
"""


@pytest.fixture(scope="module")
async def stage(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    files = Files(tmp_path_factory.mktemp("runs"))
    files.workflow("waiting", WAITING)
    files.workflow("echo", "return { main = function(...) return ... end }")
    retried = {"temporal": {"workflow": {"worker": "worker", "on_error": "retry_task"}}}
    files.workflow("wedged", "return { main = function() return nil, errors.new('Broken', 'no') end }", meta=retried)
    files.workflow(
        "teller",
        """return { main = function(to)
             local said = {}
             for name, act in pairs({ send = function() return process.send(to, "late") end,
                                      cancel = function() return process.cancel(to, "late") end,
                                      terminate = function() return process.terminate(to) end }) do
               said[name] = tostring(select(2, act()))
             end
             return said
           end }""",
    )
    files.workflow("canceler", "return { main = function(to) return process.cancel(to, 'not needed') end }")
    files.function("late", "return { main = function(to) return tostring(select(2, process.send(to, 'late'))) end }")
    async with staged(files, temporal_server.address) as made:
        yield made


async def test_a_list_and_the_detail_agree_on_a_wedged_run(stage: Stage) -> None:
    run = await stage.start("wedged")
    described = await stage.until_state(run.id, "wedged")
    assert (described.failure["kind"], described.failure["message"]) == ("Broken", "no")
    [listed] = await stage.runs.look(await stage.listed(f"WorkflowId='{run.id}'"))
    assert listed.state == "wedged"
    await stage.runs.terminate(run.id)


async def test_a_list_that_nobody_has_looked_at_knows_nothing_of_open_runs(stage: Stage) -> None:
    run = await stage.start("waiting")
    [listed] = await stage.listed(f"WorkflowId='{run.id}'")
    assert listed.state == "unknown"
    await stage.runs.terminate(run.id)


Act = Callable[[Stage, str], Any]
ACTS: dict[str, Act] = {
    "send": lambda stage, run: stage.runs.signal(run, "late", []),
    "update": lambda stage, run: stage.runs.update(run, "rename", []),
    "cancel": lambda stage, run: stage.runs.cancel(run),
    "terminate": lambda stage, run: stage.runs.terminate(run),
}


@pytest.mark.parametrize("act", ACTS)
async def test_a_run_that_has_ended_says_so_and_how(stage: Stage, act: str) -> None:
    run = await stage.start("echo", 1)
    await stage.result(run)
    with pytest.raises(Error) as refused:
        await ACTS[act](stage, run.id)
    assert refused.value.kind == "NotFound"
    assert f"not found: {run.id}; it has ended at " in refused.value.message
    assert refused.value.message.endswith(" as COMPLETED")


@pytest.mark.parametrize("act", ACTS)
async def test_a_run_that_never_was_is_not_found(stage: Stage, act: str) -> None:
    with pytest.raises(Error) as refused:
        await ACTS[act](stage, "nobody")
    assert (refused.value.kind, refused.value.message) == ("NotFound", "workflow not found: nobody")


async def test_a_function_is_told_that_a_run_has_ended(stage: Stage) -> None:
    run = await stage.start("echo", 1)
    await stage.result(run)
    assert "it has ended at " in await stage.call("late", run.pid)


async def test_a_workflow_is_told_that_a_run_has_ended(stage: Stage) -> None:
    run = await stage.start("echo", 1)
    await stage.result(run)
    teller = await stage.start("teller", run.pid)
    said = await stage.result(teller)
    assert said.keys() == {"send", "cancel", "terminate"}
    for text in said.values():
        assert f"not found: {run.pid}; it has ended" in text
        assert "COMPLETED" in text
    assert [result.failure for result in await stage.replay(teller)] == [None]


async def test_a_query_of_a_run_that_has_ended_is_answered(stage: Stage) -> None:
    run = await stage.start("waiting")
    await stage.until(run, "TIMER_STARTED")
    await stage.runs.cancel(run.id)
    with pytest.raises(RunFailed):
        await stage.result(run)
    assert await stage.query(run, "name") == "unnamed"


@pytest.mark.parametrize(("what", "near"), [("query", "nane"), ("update", "renane")])
async def test_an_unknown_name_is_answered_with_the_one_that_may_be_meant(stage: Stage, what: str, near: str) -> None:
    run = await stage.start("waiting")
    await stage.until(run, "TIMER_STARTED")
    with pytest.raises(Error) as refused:
        await getattr(stage, what)(run, near)
    assert refused.value.kind == "NotFound"
    wanted = near.replace("nane", "name")
    assert f"did you mean '{wanted}'?" in refused.value.message
    await stage.runs.terminate(run.id)


async def test_a_cancellation_says_who_asked_and_why(stage: Stage) -> None:
    run = await stage.start("waiting")
    await stage.until(run, "TIMER_STARTED")
    await stage.runs.cancel(run.id, "no longer wanted", "ops")
    with pytest.raises(RunFailed) as canceled:
        await stage.result(run)
    assert (canceled.value.status, canceled.value.message) == (
        "CANCELED",
        "workflow canceled by ops: no longer wanted",
    )
    described = await stage.runs.describe(run.id)
    assert described.cancel is not None
    assert (described.cancel["by"], described.cancel["reason"]) == ("ops", "no longer wanted")
    async with stage.runs.follow(run.id, wait=False) as feed:
        [asked] = [event.data async for event in feed if event.name == "cancel.requested"]
    assert (asked["by"], asked["reason"]) == ("ops", "no longer wanted")


async def test_a_run_that_another_canceled_says_which(stage: Stage) -> None:
    run = await stage.start("waiting")
    await stage.until(run, "TIMER_STARTED")
    canceler = await stage.start("canceler", run.pid)
    assert await stage.result(canceler) is True
    with pytest.raises(RunFailed) as canceled:
        await stage.result(run)
    assert canceled.value.message == f"workflow canceled by {canceler.id}: not needed"


async def test_a_run_that_is_asked_to_cancel_shows_it_while_it_compensates(stage: Stage) -> None:
    run = await stage.start("waiting")
    await stage.runs.cancel(run.id, "soon", "ops")

    async def asked() -> Any:
        return (await stage.runs.describe(run.id)).cancel

    assert (await eventually(asked, every=0.1))["by"] == "ops"


def test_an_answer_that_comes_too_late_is_no_warning() -> None:
    forward_core_log("tests.core")
    logger = logging.getLogger("tests.core")
    records = [
        logging.LogRecord("tests.core", logging.WARNING, "", 0, text, None, None)
        for text in ("Query not found when attempting to respond to it", "Failing workflow task")
    ]
    assert [bool(logger.filter(record)) for record in records] == [False, True]
