"""How runs go on and end: timers, cancellation, continue-as-new, failure."""

from __future__ import annotations

import pytest
from temporalio.client import WorkflowExecutionStatus

from runtime.errors import Error
from runtime.temporal.dev_server import DevServer
from tests.temporal.stage import Files, staged


async def test_a_sleep_is_a_durable_timer_named_after_its_line(files: Files, temporal_server: DevServer) -> None:
    files.workflow(
        "main",
        "return { main = function()\n  local t = time.now()\n  time.sleep('1s')\n  return time.now():sub(t):seconds() >= 1\nend }",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        assert await stage.result(run) is True
        events = (await stage.client.get_workflow_handle(run.id).fetch_history()).events
        assert [e.user_metadata.summary.data for e in events if e.HasField("user_metadata")] == [b'"main.lua:3"']


async def test_events_nobody_has_read_go_on_to_the_next_run(files: Files, temporal_server: DevServer) -> None:
    files.workflow("child", "return { main = function(n) return { n = n, text = 'ü' } end }")
    files.workflow("failing", "return { main = function() return nil, errors.new('Conflict', 'taken') end }")
    files.workflow(
        "main",
        """return { main = function(first)
             if first == nil then
               local pid = assert(process.spawn('t:child', 't:worker', 7))
               assert(process.spawn('t:failing', 't:worker'))
               process.listen('go'):receive()
               process.upgrade(nil, pid)
             end
             local seen, events = {}, process.events()
             for _ = 1, 2 do
               local e = events:receive()
               seen[e.from == first and 'child' or 'failing'] = e.result.value or { e.kind, tostring(e.result.error) }
             end
             return seen
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await stage.until(run, "CHILD_WORKFLOW_EXECUTION_COMPLETED")
        await stage.until(run, "CHILD_WORKFLOW_EXECUTION_FAILED")
        await stage.send(run, "go")
        assert await stage.result(run) == {"child": {"n": 7, "text": "ü"}, "failing": ["pid.exit", "taken"]}
        assert [result.failure for result in await stage.replay(run)] == [None]


async def test_an_untrapped_cancellation_closes_the_run_as_canceled(files: Files, temporal_server: DevServer) -> None:
    files.workflow(
        "main",
        """return { main = function()
             local ok, err = time.sleep('1h')
             workflow.detached(function() time.sleep('1ms') end)
             return nil, err
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await stage.until(run, "TIMER_STARTED")
        await stage.runs.cancel(run.id, "enough")
        with pytest.raises(Error) as canceled:
            await stage.result(run)
        assert canceled.value.kind == "Canceled"
        assert (await stage.event_types(run)).count("TIMER_CANCELED") == 1
        description = await stage.client.get_workflow_handle(run.id).describe()
        assert description.status == WorkflowExecutionStatus.CANCELED
        assert [result.failure for result in await stage.replay(run)] == [None]


async def test_a_trapped_cancellation_is_an_event_with_its_reason(files: Files, temporal_server: DevServer) -> None:
    files.workflow(
        "main",
        """return { main = function()
             local event = process.events():receive()
             return { event.kind, event.reason }
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await stage.until(run, "WORKFLOW_TASK_COMPLETED")
        await stage.runs.cancel(run.id, "enough")
        assert await stage.result(run) == ["pid.cancel", "enough"]


async def test_a_cancellation_before_the_first_task_is_not_lost(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", "return { main = function() return process.events():receive().kind end }")
    async with staged(files, temporal_server.address) as stage:
        await stage.workers.stop()
        run = await stage.start("main")
        await stage.runs.cancel(run.id)
        await stage.workers.start()
        assert await stage.result(run) == "pid.cancel"


@pytest.mark.parametrize("listens", ["", "process.listen('note')"])
async def test_a_continued_run_keeps_context_and_unread_messages(
    files: Files, temporal_server: DevServer, listens: str
) -> None:
    files.workflow(
        "main",
        """return { main = function(round)
             if round == 1 then
               LISTENS
               process.listen('go'):receive()
               process.upgrade(nil, 2)
             end
             local info, notes = workflow.info(), process.listen('note', { message = true })
             local first, second = notes:receive(), notes:receive()
             return {
               round = round, tenant = ctx.get('tenant'), continued = info.continued_run_id ~= nil,
               notes = { first:payload():data(), second:payload():data() }, from = first:from(),
             }
           end }""".replace("LISTENS", listens),
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main", 1, context={"tenant": "acme"})
        await stage.until(run, "WORKFLOW_TASK_COMPLETED")
        await stage.send(run, "note", {"n": 1})
        await stage.send(run, "note", 2.0)
        await stage.send(run, "go")
        seen = await stage.result(run)
        assert seen == {"round": 2, "tenant": "acme", "continued": True, "notes": [{"n": 1}, 2.0], "from": ""}
        assert [result.failure for result in await stage.replay(run)] == [None]


async def test_activity_keys_of_a_continued_run_are_its_own(files: Files, temporal_server: DevServer) -> None:
    files.activity("key", "return { main = function() return activity.idempotency_key() end }")
    files.workflow(
        "main",
        """return { main = function(round, before)
             local key = assert(funcs.call('t:key'))
             if round == 1 then process.upgrade(nil, 2, key) end
             return { before, key }
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main", 1)
        before, after = await stage.result(run)
        assert before != after
        assert before.startswith(f"{run.id}/{run.run_id}/")
        assert after.startswith(f"{run.id}/{run.run_id}/")


async def test_an_uncaught_error_fails_the_run_with_a_lua_traceback(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", "return { main = function()\n  local t = nil\n  return t.x\nend }")
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        with pytest.raises(Error, match=r"main\.lua:3") as failed:
            await stage.result(run)
        assert failed.value.kind == "Internal"
        assert "main.lua:3" in (failed.value.stack or "")
        events = (await stage.history(run))["events"]
        failure = events[-1]["workflowExecutionFailedEventAttributes"]["failure"]
        assert "main.lua:3" in failure["stackTrace"]
        assert ".py" not in failure["stackTrace"]
        described = await stage.runs.describe(run.id)
        assert described.state == "failed"
        assert (described.failure or {})["kind"] == "Internal"


async def test_retry_task_keeps_the_run_open_and_shows_it_wedged(files: Files, temporal_server: DevServer) -> None:
    meta = {"temporal": {"workflow": {"worker": "worker", "on_error": "retry_task"}}}
    files.workflow("main", "return { main = function() error('not mended') end }", meta=meta)
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        described = await stage.until_state(run.id, "wedged")
        assert described.status == "RUNNING"
        assert "not mended" in described.failure["message"]
        await stage.runs.terminate(run.id)


async def test_a_type_nobody_registered_fails_the_task_and_names_it(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", "return { main = function() return 1 end }")
    async with staged(files, temporal_server.address) as stage:
        handle = await stage.client.start_workflow("t:typo", id="u-" + files.queue, task_queue=files.queue)
        described = await stage.until_state(handle.id, "wedged")
        assert "t:typo" in described.failure["message"]
        await handle.terminate()


async def test_a_result_the_server_would_refuse_fails_the_run(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", "return { main = function() return string.rep('x', 3 * 1024 * 1024) end }")
    async with staged(files, temporal_server.address) as stage:
        with pytest.raises(Error, match="bytes") as failed:
            await stage.run("main")
        assert failed.value.kind == "Invalid"
