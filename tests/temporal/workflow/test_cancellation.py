"""Cancellation of runs, wherever it meets them."""

from __future__ import annotations

import pytest
from temporalio.client import WorkflowExecutionStatus

from runtime.contracts import Started
from runtime.errors import Error
from runtime.temporal.dev_server import DevServer
from tests.temporal.stage import Files, Stage, staged


async def _closed_as_canceled(stage: Stage, *runs: Started) -> None:
    for run in runs:
        with pytest.raises(Error) as canceled:
            await stage.result(run)
        assert canceled.value.kind == "Canceled"
        description = await stage.client.get_workflow_handle(run.id).describe()
        assert description.status == WorkflowExecutionStatus.CANCELED
    assert [result.failure for result in await stage.replay(*runs)] == [None] * len(runs)


async def test_before_the_first_task_an_untrapped_run_still_begins(files: Files, temporal_server: DevServer) -> None:
    files.workflow(
        "main",
        """return { main = function()
             workflow.status('began')
             local _, err = time.sleep('1h')
             return nil, err
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        await stage.workers.stop()
        run = await stage.start("main")
        await stage.runs.cancel(run.id, "early")
        await stage.workers.start()
        await _closed_as_canceled(stage, run)
        assert await stage.query(run, "__status") == "began"


async def test_during_select_and_twice(files: Files, temporal_server: DevServer) -> None:
    """The second request changes nothing: compensation goes on, and what is new is still refused."""
    files.workflow(
        "main",
        """return { main = function()
             local inbox = process.inbox()
             local result = channel.select{ inbox:case_receive(), time.after('1h'):case_receive() }
             workflow.status({ ok = result.ok, kind = result.error:kind() })
             local word = workflow.detached(function() return process.listen('go'):receive() end)
             local _, err = time.sleep('1h')
             workflow.status({ ok = result.ok, word = word, kind = err:kind() })
             return nil, result.error
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await stage.until(run, "TIMER_STARTED")
        await stage.runs.cancel(run.id, "first")
        await stage.until(run, "TIMER_CANCELED")
        await stage.runs.cancel(run.id, "second")
        assert await stage.query(run, "__status") == {"ok": False, "kind": "Canceled"}
        await stage.send(run, "go", "on")
        await _closed_as_canceled(stage, run)
        assert await stage.query(run, "__status") == {"ok": False, "word": "on", "kind": "Canceled"}
        assert (await stage.event_types(run)).count("WORKFLOW_EXECUTION_CANCEL_REQUESTED") == 1


async def test_a_saga_compensates_when_its_run_is_cancelled(files: Files, temporal_server: DevServer) -> None:
    files.activity("undo", "return { main = function(what) return 'undone ' .. what end }")
    files.activity(
        "refuse",
        "return { main = function() return nil, errors.new({ kind = 'Conflict', message = 'no', retryable = false }) end }",
    )
    files.workflow(
        "main",
        """return { main = function()
             local s = saga.new()
             s:add('t:undo', 'first'); s:add('t:refuse'); s:add('t:undo', 'third')
             local _, _, canceled = process.listen('never'):receive()
             local ok, failures = s:compensate()
             workflow.status({ ok = ok, failed = failures[1].id, kind = failures[1].error:kind(), count = #failures })
             return nil, canceled
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await stage.until(run, "WORKFLOW_TASK_COMPLETED")
        await stage.runs.cancel(run.id, "changed my mind")
        await _closed_as_canceled(stage, run)
        status = await stage.query(run, "__status")
        assert status == {"ok": False, "failed": "t:refuse", "kind": "Conflict", "count": 1}
        scheduled = [
            event["activityTaskScheduledEventAttributes"]["activityType"]["name"]
            for event in (await stage.history(run))["events"]
            if "activityTaskScheduledEventAttributes" in event
        ]
        assert scheduled == ["t:undo", "t:refuse", "t:undo"]


CHILD = """return { main = function()
  local _, err = time.sleep('1h')
  workflow.detached(function() time.sleep('1ms') end)
  return nil, err
end }"""


async def test_a_child_is_cancelled_when_its_parent_closes(files: Files, temporal_server: DevServer) -> None:
    """parent_close_policy request_cancel: the child is asked, and tidies up."""
    files.workflow("child", CHILD)
    files.workflow(
        "main",
        """return { main = function(id)
             local spawner = process.with_options{ ['workflow.id'] = id, ['workflow.parent_close_policy'] = 'REQUEST-CANCEL' }
             assert(spawner:spawn('t:child', 't:worker'))
             return 'closed'
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        id = f"child-{files.queue}"
        assert await stage.run("main", id) == "closed"
        await _closed_as_canceled(stage, Started(id, "", ""))


_OWN_OPTION = {"temporal": {"workflow": {"worker": "worker"}}, "options": {"workflow.wait_for_cancellation": True}}


async def test_a_child_is_cancelled_with_its_parent(files: Files, temporal_server: DevServer) -> None:
    """Untrapped in both. The parent waits for the child, as the option says; else closing would terminate it."""
    files.workflow("child", CHILD)
    files.workflow("waited", CHILD, meta=_OWN_OPTION)
    files.workflow(
        "main",
        """return { main = function(id)
             local own = process.with_options{ ['workflow.id'] = id .. '2' }
             local said = process.with_options{ ['workflow.id'] = id, ['workflow.wait_for_cancellation'] = true }
             local done = channel.new(1)
             coroutine.spawn(function() own:exec('t:waited', 't:worker'); done:send(true) end)
             local value, err = said:exec('t:child', 't:worker')
             workflow.detached(function() done:receive() end)
             workflow.status(err:kind())
             return value, err
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        id = f"child-{files.queue}"
        parent = await stage.start("main", id)
        await stage.until(parent, "CHILD_WORKFLOW_EXECUTION_STARTED", 2)
        await stage.runs.cancel(parent.id, "all of you")
        await _closed_as_canceled(stage, parent, Started(id, "", ""), Started(id + "2", "", ""))
        assert await stage.query(parent, "__status") == "Canceled"


async def test_a_parent_cancels_its_child_and_hears_how_it_ends(files: Files, temporal_server: DevServer) -> None:
    files.workflow("child", "return { main = function() return process.events():receive().reason end }")
    files.workflow("stubborn", CHILD)
    files.workflow(
        "main",
        """return { main = function()
             local seen = {}
             for i, id in ipairs{ 't:child', 't:stubborn' } do
               local pid = assert(process.spawn_monitored(id, 't:worker'))
               assert(process.cancel(pid, 'no longer needed'))
               local event = process.events():receive()
               seen[i] = { event.kind, event.from == pid, event.result.value or event.result.error:kind() }
             end
             return seen
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        assert await stage.result(run) == [
            ["pid.exit", True, "no longer needed"],
            ["pid.exit", True, "Canceled"],
        ]
        assert [result.failure for result in await stage.replay(run)] == [None]


async def test_a_cancelled_call_and_its_later_compensation(files: Files, temporal_server: DevServer) -> None:
    """What was under way is given up, new calls are refused, and under `detached` they work again."""
    files.activity(
        "slow",
        """return { main = function()
             process.send(activity.info().workflow_pid, 'started')
             while not activity.is_canceled() do activity.heartbeat(1); time.sleep('50ms') end
             return nil, errors.new('Canceled', 'given up')
           end }""",
        {"activity.heartbeat_timeout": "10s"},
    )
    files.activity("quick", "return { main = function() return 'done' end }")
    files.workflow(
        "main",
        """return { main = function()
             local _, first = funcs.call('t:slow')
             local _, second = funcs.call('t:quick')
             local third = workflow.detached(function() return (funcs.call('t:quick')) end)
             workflow.status({ first:kind(), second:kind(), third })
             return nil, first
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await stage.until(run, "WORKFLOW_EXECUTION_SIGNALED")
        await stage.runs.cancel(run.id)
        await _closed_as_canceled(stage, run)
        assert await stage.query(run, "__status") == ["Canceled", "Canceled", "done"]


async def test_a_run_cancels_itself(files: Files, temporal_server: DevServer) -> None:
    files.workflow(
        "main",
        """return { main = function()
             coroutine.spawn(function() process.cancel(process.pid(), 'enough') end)
             return nil, select(2, time.sleep('1h'))
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await _closed_as_canceled(stage, run)
        assert [result.failure for result in await stage.replay(run)] == [None]
