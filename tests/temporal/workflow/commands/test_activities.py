"""Activities called from Lua workflows, on a real server."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from runtime.errors import Error
from runtime.temporal.dev_server import DevServer
from tests.temporal.stage import ACTIVITY_MODULES, Files, staged
from tests.waiting import eventually

FAST = {"activity.retry_policy": {"initial_interval": "10ms", "maximum_attempts": 3}}

REFUSES = "return {{ main = function() return nil, errors.new{{ kind = '{kind}', message = 'no', details = {{ by = 'us' }} }} end }}"
ODD = {"activity.retry_policy": {"maximum_attempts": 2, "non_retryable_error_types": ["Odd"]}}


async def test_values_keep_their_exact_form(files: Files, temporal_server: DevServer) -> None:
    files.activity("echo", "return { main = function(...) return { ... } end }")
    files.workflow("main", "return { main = function(...) return assert(funcs.call('t:echo', ...)) end }")
    async with staged(files, temporal_server.address) as stage:
        values = [1, 1.0, "ä", True, {"deep": [{}, {"n": 2**53 + 1}]}]
        run = await stage.start("main", *values)
        assert (await stage.runs.result(run.id, 60)).data == (
            b'[1,1.0,"\xc3\xa4",true,{"deep":[{},{"n":9007199254740993}]}]'
        )


async def test_a_failure_keeps_kind_details_and_lua_stack(files: Files, temporal_server: DevServer) -> None:
    files.activity(
        "refuse",
        "return { main = function() return nil, errors.new{kind='Invalid', message='out of stock', details={left=0}} end }",
    )
    files.workflow(
        "main",
        """return { main = function()
             local v, err = funcs.call('t:refuse')
             return { kind = err:kind(), message = err:message(), retryable = err:retryable(), details = err:details() }
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        seen = await stage.result(run)
        assert (seen["kind"], seen["message"]) == ("Invalid", "out of stock")
        assert seen["details"] == {"left": 0, "_activity_id": "1", "_retry_state": "NON_RETRYABLE_FAILURE"}
        assert (await stage.event_types(run)).count("ACTIVITY_TASK_FAILED") == 1


async def test_retries_follow_the_policy_and_share_one_idempotency_key(
    files: Files, temporal_server: DevServer
) -> None:
    files.activity(
        "flaky",
        """return { main = function()
             local info = activity.info()
             if info.attempt < 3 then return nil, errors.new('Unavailable', 'not yet') end
             return { attempt = info.attempt, key = activity.idempotency_key(), id = info.activity_id }
           end }""",
        FAST,
    )
    files.workflow("main", "return { main = function() return assert(funcs.call('t:flaky')) end }")
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        seen = await stage.result(run)
        assert seen == {"attempt": 3, "id": "1", "key": f"{run.id}/{run.run_id}/1"}


async def test_the_last_failure_comes_back_when_the_attempts_are_spent(
    files: Files, temporal_server: DevServer
) -> None:
    files.activity("down", "return { main = function() return nil, errors.new('Unavailable', 'down') end }", FAST)
    files.workflow("main", "return { main = function() return funcs.call('t:down') end }")
    async with staged(files, temporal_server.address) as stage:
        with pytest.raises(Error, match="down") as failed:
            await stage.run("main")
        assert failed.value.kind == "Unavailable"
        assert (failed.value.details or {})["_retry_state"] == "MAXIMUM_ATTEMPTS_REACHED"


async def test_a_raise_in_an_activity_is_internal_and_not_retried(files: Files, temporal_server: DevServer) -> None:
    files.activity("broken", "return { main = function() local t = nil; return t.x end }", FAST)
    files.workflow("main", "return { main = function() return funcs.call('t:broken') end }")
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        with pytest.raises(Error, match=r"broken\.lua:1") as failed:
            await stage.result(run)
        assert failed.value.kind == "Internal"
        assert (await stage.event_types(run)).count("ACTIVITY_TASK_STARTED") == 1


async def test_an_unknown_activity_is_not_found_and_stays_so_in_a_replay(
    files: Files, temporal_server: DevServer
) -> None:
    files.workflow(
        "main",
        """return { main = function()
             local v, err = funcs.call('t:later')
             return { err:kind(), err:retryable(), err:details().id }
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        assert await stage.result(run) == ["NotFound", True, "t:later"]
        assert "ACTIVITY_TASK_SCHEDULED" not in await stage.event_types(run)
        files.activity("later", "return { main = function() return 1 end }")
        assert [result.failure for result in await stage.replay(run, registry=files.load())] == [None]


async def test_a_removed_activity_does_not_break_the_replay_of_its_callers(
    files: Files, temporal_server: DevServer
) -> None:
    files.activity("once", "return { main = function() return 'was here' end }")
    files.workflow("main", "return { main = function() return assert(funcs.call('t:once')) end }")
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        assert await stage.result(run) == "was here"
        files.without("once")
        assert [result.failure for result in await stage.replay(run, registry=files.load())] == [None]


async def test_a_function_that_is_no_activity_is_not_found(files: Files, temporal_server: DevServer) -> None:
    files._script("function.lua", "plain", "return { main = function() return 1 end }", {})
    files.workflow("main", "return { main = function() return funcs.call('t:plain') end }")
    async with staged(files, temporal_server.address) as stage:
        with pytest.raises(Error) as failed:
            await stage.run("main")
        assert failed.value.kind == "NotFound"


async def test_context_sender_and_options_reach_the_activity(files: Files, temporal_server: DevServer) -> None:
    files.activity(
        "who",
        "return { main = function() return { ctx = ctx.all(), pid = activity.info().workflow_pid } end }",
    )
    files.workflow(
        "main",
        """return { main = function()
             local executor = funcs.new():with_context({ tenant = 'acme' }):with_options({ ['activity.id'] = 'chosen' })
             return { seen = assert(executor:call('t:who')), pid = process.pid() }
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main", context={"user": "u1"})
        seen = await stage.result(run)
        assert seen["seen"] == {"ctx": {"tenant": "acme", "user": "u1"}, "pid": seen["pid"]}
        assert seen["pid"] == run.pid == f"{{t:worker|{run.id}}}"
        scheduled = next(e for e in (await stage.history(run))["events"] if "activityTaskScheduledEventAttributes" in e)
        assert scheduled["activityTaskScheduledEventAttributes"]["activityId"] == "chosen"


async def test_the_summary_of_an_activity_is_the_line_that_called_it(files: Files, temporal_server: DevServer) -> None:
    files.activity("double", "return { main = function(n) return n * 2 end }")
    files.workflow("main", "return { main = function(n)\n  return assert(funcs.call('t:double', n))\nend }")
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main", 2)
        await stage.result(run)
        handle = stage.client.get_workflow_handle(run.id)
        events = (await handle.fetch_history()).events
        summaries = [event.user_metadata.summary.data for event in events if event.HasField("user_metadata")]
        assert summaries == [b'"main.lua:2"']


async def test_a_failed_local_activity_tells_its_place_as_any_other(files: Files, temporal_server: DevServer) -> None:
    twice = {"activity.retry_policy": {"maximum_attempts": 2, "initial_interval": 10}}
    for name, local in (("near", True), ("far", False)):
        files.activity(f"{name}_conflict", REFUSES.format(kind="Conflict"), local=local)
        files.activity(f"{name}_outage", REFUSES.format(kind="Unavailable"), twice, local=local)
        files.activity(f"{name}_odd", REFUSES.format(kind="Odd"), ODD, local=local)
    files.workflow(
        "main",
        """return { main = function(where)
             local seen = {}
             for i, name in ipairs{ 'conflict', 'outage', 'odd' } do
               local _, err = funcs.new():with_options({ ['activity.id'] = name }):call('t:' .. where .. '_' .. name)
               seen[i] = err:details()
             end
             return seen
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main", "near")
        near = await stage.result(run)
        assert near == [
            {"by": "us", "_activity_id": "conflict", "_retry_state": "NON_RETRYABLE_FAILURE"},
            {"by": "us", "_activity_id": "outage", "_retry_state": "MAXIMUM_ATTEMPTS_REACHED"},
            {"by": "us", "_activity_id": "odd", "_retry_state": "NON_RETRYABLE_FAILURE"},
        ]
        assert await stage.run("main", "far") == near
        assert [result.failure for result in await stage.replay(run)] == [None]


async def test_a_local_activity_leaves_a_marker_and_no_task(files: Files, temporal_server: DevServer) -> None:
    files.activity("near", "return { main = function(n) return n + 1 end }", local=True)
    files.workflow("main", "return { main = function(n) return assert(funcs.call('t:near', n)) end }")
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main", 1)
        assert await stage.result(run) == 2
        types = await stage.event_types(run)
        assert "MARKER_RECORDED" in types
        assert "ACTIVITY_TASK_SCHEDULED" not in types
        assert [result.failure for result in await stage.replay(run)] == [None]


async def test_a_canceled_activity_learns_of_it_from_its_heartbeat(files: Files, temporal_server: DevServer) -> None:
    files.activity(
        "patient",
        """return { main = function()
             while not activity.is_canceled() do
               activity.heartbeat('alive')
               local ok, err = time.sleep('20ms')
               if err then return nil, err end
             end
             return nil, errors.new('Canceled', 'gave up')
           end }""",
        {"activity.heartbeat_timeout": "5s"},
    )
    files.workflow(
        "main",
        """return { main = function()
             local executor = funcs.new():with_options({ ['activity.wait_for_cancellation'] = true })
             local future = assert(executor:async('t:patient'))
             process.listen('stop'):receive()
             future:cancel()
             local v, err = future:await()
             return err:kind()
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await stage.until(run, "ACTIVITY_TASK_SCHEDULED")
        await stage.send(run, "stop")
        assert await stage.result(run) == "Canceled"
        assert "ACTIVITY_TASK_CANCELED" in await stage.event_types(run)


async def test_arguments_the_server_would_refuse_never_leave(files: Files, temporal_server: DevServer) -> None:
    files.activity("echo", "return { main = function(v) return v end }")
    files.workflow(
        "main",
        """return { main = function()
             local v, err = funcs.call('t:echo', string.rep('x', 3 * 1024 * 1024))
             return { err:kind(), err:message() }
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        kind, message = await stage.run("main")
        assert kind == "Invalid"
        assert "bytes" in message


async def test_python_functions_are_activities_too(files: Files, temporal_server: DevServer) -> None:
    (files.directory / "billing_for_tests.py").write_text(
        "async def charge(order):\n    return {'charged': order['sum']}\n"
    )
    files.entry(
        name="charge",
        kind="function.py",
        source="py://billing_for_tests:charge",
        meta={"temporal": {"activity": {"worker": "worker"}}},
    )
    files.workflow("main", "return { main = function(order) return assert(funcs.call('t:charge', order)) end }")
    async with staged(files, temporal_server.address) as stage:
        assert await stage.run("main", {"sum": 12}) == {"charged": 12}


async def test_a_process_is_an_activity_with_a_mailbox(files: Files, temporal_server: DevServer) -> None:
    """It tells the workflow where it is, is spoken to, becomes another program, and fails or is timed out as any activity."""
    meta = {"temporal": {"activity": {"worker": "worker"}}, "options": FAST}
    (files.directory / "counts.lua").write_text("""
      local function count(caller, n)
        local inbox = process.inbox()
        process.send(caller, "at", process.pid())
        local m = inbox:receive()
        if m:topic() == "more" then process.upgrade(nil, caller, n + m:payload():data()) end
        if m:topic() == "fail" then return nil, errors.new({ kind = "Declined", message = "told to", retryable = false }) end
        return { n = n, attempt = activity.info().attempt, me = process.id(), tenant = ctx.get("tenant") }
      end
      return count
    """)
    files.entry(name="counts", kind="process.lua", source="file://counts.lua", modules=ACTIVITY_MODULES, meta=meta)
    files.workflow(
        "asks",
        """return function(what)
             local at = process.listen("at")
             local counted = funcs.new():with_context({ tenant = "acme" }):async("t:counts", process.pid(), 0)
             local first = at:receive()
             process.send(first, "more", 2)
             local second = at:receive()
             process.send(second, what)
             local value, err = counted:await()
             return { same = first == second, value = value, error = err and err:kind() }
           end""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("asks", "stop")
        counted = {"n": 2, "attempt": 1, "me": "t:counts", "tenant": "acme"}
        assert await stage.result(run) == {"same": True, "value": counted}
        assert (await stage.event_types(run)).count("ACTIVITY_TASK_COMPLETED") >= 1
        assert await stage.run("asks", "fail") == {"same": True, "error": "Declined"}
        with pytest.raises(Error, match="not a function"):
            await stage.call("counts")
        assert (await stage.replay(run))[0].failure is None


async def test_a_retry_knows_how_far_the_last_attempt_was(files: Files, temporal_server: DevServer) -> None:
    files.activity(
        "pages",
        """return function()
             local info = activity.info()
             if info.attempt == 1 then
               for page = 1, 3 do activity.heartbeat({ page = page }) end
               return nil, errors.new(errors.UNAVAILABLE, "lost")
             end
             return { attempt = info.attempt, from = info.heartbeat_details, deadline = info.deadline,
                      workflow = info.workflow_pid, key = activity.idempotency_key(), canceled = activity.is_canceled() }
           end""",
        {**FAST, "activity.heartbeat_timeout": "60s", "activity.start_to_close_timeout": "1h"},
    )
    files.workflow("main", "return function() return funcs.call('t:pages') end")
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        seen = await stage.result(run)
        deadline = datetime.fromisoformat(seen.pop("deadline"))
        described = await stage.runs.describe(run.id)
        assert described.started_at is not None
        assert deadline > datetime.fromisoformat(described.started_at) + timedelta(minutes=59)
        assert seen == {
            "attempt": 2,
            "from": {"page": 3},
            "workflow": run.pid,
            "key": f"{run.id}/{run.run_id}/1",
            "canceled": False,
        }


async def test_a_context_goes_all_the_way(files: Files, temporal_server: DevServer) -> None:
    """Function, function, process, workflow, child, activity, function and process: each adds itself to what it was given."""
    step = """
      return function(n, ...)
        local next, host = ...
        local seen = ctx.all()
        if not next then return seen end
        local with = { ["step" .. n] = process.id() }
        if host == "call" then return funcs.new():with_context(with):call(next, n + 1, select(3, ...)) end
        return process.with_context(with):exec(next, host, n + 1, select(3, ...))
      end"""
    files.entry(name="processes", kind="process.host")
    files.function("one", step).function("two", step).workflow("run", step).workflow("child", step)
    files.activity("act", step).function("inner", step)
    (files.directory / "actor.lua").write_text(step)
    files.entry(name="actor", kind="process.lua", source="file://actor.lua", modules=ACTIVITY_MODULES)
    path = ["t:two", "call", "t:actor", "t:processes", "t:run", "t:worker", "t:child", "t:worker", "t:act", "call"]
    path += ["t:inner", "call", "t:actor", "t:processes"]
    who = ["t:one", *path[:-2:2]]
    async with staged(files, temporal_server.address) as stage:
        assert await stage.call("one", 1, *path) == {f"step{n}": entry for n, entry in enumerate(who, 1)}


async def test_a_stopping_worker_lets_activities_end_within_its_grace(files: Files, temporal_server: DevServer) -> None:
    noticing = """return function()
      while not activity.is_canceled() do time.sleep("20ms") end
      return "ended well"
    end"""
    files.activity("slow", noticing).workflow("main", "return function() return funcs.call('t:slow') end")
    files.worker(graceful_shutdown_timeout="5m")
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await eventually(lambda: stage.host.running)
        await stage.workers.stop()
        assert "ACTIVITY_TASK_COMPLETED" in await stage.event_types(run)
    async with staged(files, temporal_server.address) as stage:
        assert await stage.result(run) == "ended well"
        assert (await stage.event_types(run)).count("ACTIVITY_TASK_STARTED") == 1


async def test_ids_of_activities_do_not_meet(files: Files, temporal_server: DevServer) -> None:
    """The server refuses an id that is in use, and the task that brought it would fail for ever."""
    files.activity("slow", "return { main = function(n) time.sleep(n) return 'slept' end }")
    files.workflow(
        "main",
        """return { main = function()
             time.sleep('1ms')
             local slow = funcs.async('t:slow', '1s')
             local _, gone = process.cancel('{t:worker|nobody}')  -- a system activity, while that is under way
             local named = funcs.new():with_options({ ['activity.id'] = '7' })
             local first = named:async('t:slow', '1s')
             local _, twice = named:call('t:slow', '1ms')
             local _, ours = funcs.new():with_options({ ['activity.id'] = 'evermoon.1' }):call('t:slow', '1ms')
             local rest = {}
             for i = 1, 5 do rest[i] = funcs.async('t:slow', '1ms') end  -- one of them would be number 7
             local all = funcs.all({ slow, first, table.unpack(rest) })
             local again = named:call('t:slow', '1ms')
             return { gone:kind(), twice:kind(), twice:message(), ours:kind(), #all, again }
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        gone, twice, text, ours, count, again = await stage.result(run)
        assert (gone, twice, ours, count, again) == ("NotFound", "Invalid", "Invalid", 7, "slept")
        assert '"7" is in use' in text
        assert [result.ok for result in await stage.replay(run)] == [True]
