"""Time budgets: a run whose budget is spent is cancelled, so that it compensates, and has timed out whatever its script makes of that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from runtime.contracts import RunFailed
from runtime.errors import Error
from runtime.lua.program import Programs
from runtime.registry import TemporalWorker
from runtime.temporal import budgets
from runtime.temporal.dev_server import DevServer
from runtime.temporal.replay.replayer import replay
from tests.temporal.stage import Files, Stage, staged

WAITING = """
local workflow = require("workflow")
return { main = function(how)
  local undone, compensation = false, saga.new()
  compensation:add("t:undo", "seat")
  workflow.query("undone", function() return undone end)
  local ok, err = time.sleep("1h")
  if how == "value" then return { swallowed = err:kind() } end
  if how == "stuck" then workflow.detached(function() time.sleep("1h") end) end
  undone = compensation:compensate()
  if how == "own" then return nil, errors.new("RefundFailed", "no refund") end
  return nil, err
end }
"""
#: In tests a grace need not be as long as it is in life.
BUDGET = {"budget": 1000, "budget_grace": 60_000}


@pytest.fixture(scope="module")
async def stage(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    files = Files(tmp_path_factory.mktemp("budgets"))
    files.activity("undo", "return { main = function(what) return 'released ' .. what end }")
    files.activity(
        "away",
        """return { main = function()
             return nil, errors.new({ kind = errors.UNAVAILABLE, message = "later", details = { retry_after = 36e5 } })
           end }""",
    )
    files.workflow("waiting", WAITING)
    meta = {"temporal": {"workflow": {"worker": "worker"}}, "options": {"workflow.budget": "1s"}}
    files.workflow("budgeted", WAITING, meta=meta)
    files.workflow("calling", "return { main = function() return funcs.call('t:away') end }")
    files.workflow(
        "handling",
        "return { main = function() local v, err = funcs.call('t:away') return { handled = err ~= nil } end }",
    )
    files.workflow(
        "parent",
        """return { main = function()
             local spawner = process.with_options({ ["workflow.budget"] = "1s", ["workflow.budget_grace"] = "1m" })
             local value, err = spawner:exec("t:waiting", "t:worker")
             return { kind = err:kind(), message = err:message(), budget = err:details().budget }
           end }""",
    )
    files.workflow(
        "going_on",
        """return { main = function(n)
             if (n or 0) < 2 then process.upgrade(nil, (n or 0) + 1) end
             local _, err = time.sleep("1h")
             return nil, err
           end }""",
    )
    async with staged(files, temporal_server.address) as made:
        yield made


async def timed_out(stage: Stage, run: str) -> RunFailed:
    """The failure of a run that has timed out, in whatever way it is asked about."""
    with pytest.raises(RunFailed) as raised:
        await stage.runs.result(run, 300)
    assert (raised.value.kind, raised.value.status) == ("Timeout", "TIMED_OUT")
    described = await stage.runs.describe(run)
    assert (described.status, described.state) == ("TIMED_OUT", "failed")
    assert described.failure is not None
    assert described.failure["kind"] == "Timeout"
    return raised.value


async def names(stage: Stage, run: str) -> list[str]:
    async with stage.runs.follow(run, wait=False) as feed:
        return [event.name async for event in feed]


@pytest.mark.parametrize("how", ["error", "value", "own"])
async def test_a_run_that_has_spent_its_budget_compensates_and_has_timed_out(stage: Stage, how: str) -> None:
    run = await stage.start("waiting", how, options=BUDGET)
    failure = await timed_out(stage, run.id)
    assert failure.message == "time budget spent: 1s"
    assert (failure.cause.kind if failure.cause else None) == ("RefundFailed" if how == "own" else None)
    if how != "value":
        assert await stage.query(run, "undone") is True
    told = await names(stage, run.id)
    assert told[-1] == "timed_out"
    assert "cancel.requested" in told
    described = await stage.runs.describe(run.id)
    assert described.cancel is not None
    assert described.cancel["reason"] == "time budget spent"
    assert [result.failure for result in await stage.replay(run)] == [None]


async def test_lists_know_that_it_has_timed_out(stage: Stage) -> None:
    run = await stage.start("waiting", options=BUDGET)
    await timed_out(stage, run.id)
    statuses: set[str] = set()
    while statuses != {"TIMED_OUT"}:  # visibility is written a moment later
        statuses = {found.status for found in await stage.listed(f"WorkflowId='{run.id}'")}


async def test_after_the_grace_the_server_ends_it(stage: Stage) -> None:
    run = await stage.start("waiting", "stuck", options={"budget": 1000, "budget_grace": 1000})
    error = await timed_out(stage, run.id)
    assert (await stage.event_types(run))[-1] == "WORKFLOW_EXECUTION_TIMED_OUT"
    text = "time budget spent: 1s; the run did not end within its grace"
    assert (error.message, (error.details or {})["timeout_type"]) == (text, "Budget")
    described = await stage.runs.describe(run.id)
    assert described.failure is not None
    assert described.failure["message"] == text
    async with stage.runs.follow(run.id, wait=False) as feed:
        *_, last = [event async for event in feed]
    assert (last.name, last.data["error"]["message"]) == ("timed_out", text)


async def test_an_execution_timeout_stays_what_it_is(stage: Stage) -> None:
    run = await stage.start("waiting", options={"budget": 60_000, "execution_timeout": 1000})
    await timed_out(stage, run.id)
    types = await stage.event_types(run)
    assert types[-1] == "WORKFLOW_EXECUTION_TIMED_OUT"
    assert "ACTIVITY_TASK_SCHEDULED" not in types


async def test_a_run_that_somebody_cancels_before_is_canceled(stage: Stage) -> None:
    run = await stage.start("waiting", options={"budget": 600_000})
    await stage.until(run, "TIMER_STARTED", 2)
    await stage.runs.cancel(run.id, "enough", "ops")
    with pytest.raises(RunFailed) as raised:
        await stage.result(run)
    assert (raised.value.status, raised.value.details or {}) == (
        "CANCELED",
        {"reason": "enough", "by": "ops", "_workflow_id": run.id},
    )


async def test_a_child_has_the_budget_of_its_spawner(stage: Stage) -> None:
    assert await stage.run("parent") == {"kind": "Timeout", "message": "time budget spent: 1s", "budget": "1s"}


async def test_a_budget_holds_for_the_whole_chain_of_a_run(stage: Stage) -> None:
    run = await stage.start("going_on", options=BUDGET)
    await timed_out(stage, run.id)


async def test_the_entry_gives_a_run_its_budget(stage: Stage) -> None:
    await timed_out(stage, (await stage.start("budgeted")).id)


async def test_a_run_of_a_plain_client_has_the_budget_of_its_entry(stage: Stage) -> None:
    worker = stage.registry["t:worker"]
    assert isinstance(worker, TemporalWorker)
    id = f"plain-{worker.task_queue}"
    await stage.client.start_workflow("t:budgeted", id=id, task_queue=worker.task_queue or "")
    failure = await timed_out(stage, id)
    assert (failure.details or {})["budget"] == "1s"
    replayed = await replay([await stage.runs.history(id)], stage.registry, Programs(stage.registry, stage.bundles))
    assert [result.failure for result in replayed] == [None]


async def test_a_run_of_a_plain_client_that_is_stuck_ends_itself_after_the_grace(
    temporal_server: DevServer, tmp_path: Path
) -> None:
    files = Files(tmp_path)
    options = {"workflow.budget": "1s", "workflow.budget_grace": "1s"}
    stuck = WAITING.replace('compensation:add("t:undo", "seat")', "how = 'stuck'")
    files.workflow("stuck", stuck, meta={"temporal": {"workflow": {"worker": "worker"}}, "options": options})
    async with staged(files, temporal_server.address) as own:
        id = f"stuck-{files.queue}"
        await own.client.start_workflow("t:stuck", id=id, task_queue=files.queue)
        await timed_out(own, id)


async def test_a_retry_that_would_come_too_late_is_the_end_of_the_budget(stage: Stage) -> None:
    run = await stage.start("calling", options={"budget": 600_000})
    failure = await timed_out(stage, run.id)
    assert failure.cause is not None
    assert failure.cause.kind == "Unavailable"
    assert [result.failure for result in await stage.replay(run)] == [None]


async def test_a_retry_that_comes_too_late_may_be_handled(stage: Stage) -> None:
    assert await stage.run("handling", options={"budget": 600_000}) == {"handled": True}


async def test_a_budget_survives_its_worker(temporal_server: DevServer, tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.workflow("waiting", WAITING.replace('compensation:add("t:undo", "seat")', ""))
    async with staged(files, temporal_server.address) as first:
        run = await first.start("waiting", options={"budget": 3000, "budget_grace": 600_000})
        await first.until(run, "TIMER_STARTED", 2)
    async with staged(files, temporal_server.address) as second:
        await timed_out(second, run.id)


async def test_a_budget_and_a_cron_schedule_exclude_each_other(stage: Stage) -> None:
    refused: dict[str, Any] = {"budget": 1000, "cron_schedule": "0 * * * *"}
    with pytest.raises(Error, match="exclude each other"):
        await stage.start("waiting", options=refused)


@pytest.mark.parametrize(
    ("options", "grace"),
    [
        ({"budget": 1000}, 10_000),
        ({"budget": 600_000}, 60_000),
        ({"budget": 1000, "budget_grace": 50}, 50),
        ({"budget": 1000, "execution_timeout": 5000}, 4000),
        ({"budget": 1000, "execution_timeout": 1000}, None),
        ({}, None),
    ],
)
def test_the_grace_is_a_tenth_of_the_budget_and_at_least_ten_seconds(
    options: dict[str, int], grace: int | None
) -> None:
    budget = budgets.of(options)
    assert (budget and budget.grace) == grace
    assert budget is None or budgets.read(budgets.headers(budget)) == budget
