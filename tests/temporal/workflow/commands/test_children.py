"""Child workflows."""

from __future__ import annotations

import pytest

from runtime.errors import Error
from runtime.temporal.dev_server import DevServer
from tests.temporal.stage import Files, staged


async def test_exec_waits_for_the_value_of_a_child(files: Files, temporal_server: DevServer) -> None:
    files.workflow(
        "child", "return { main = function(n) return { n = n + 1, parent = workflow.info().parent_pid } end }"
    )
    files.workflow("main", "return { main = function(n) return assert(workflow.exec('t:child', n)) end }")
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main", 1, context={"tenant": "acme"})
        assert await stage.result(run) == {"n": 2, "parent": run.pid}
        assert [result.failure for result in await stage.replay(run)] == [None]


async def test_a_failing_child_brings_its_error_and_its_place(files: Files, temporal_server: DevServer) -> None:
    files.workflow("child", "return { main = function() return nil, errors.new('Conflict', 'taken') end }")
    files.workflow(
        "main",
        """return { main = function()
             local v, err = process.exec('t:child', 't:worker')
             return { kind = err:kind(), message = err:message(), details = err:details() }
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        seen = await stage.run("main")
        assert (seen["kind"], seen["message"]) == ("Conflict", "taken")
        assert set(seen["details"]) == {"_workflow_id", "_run_id", "_retry_state"}


async def test_spawn_gives_a_pid_and_the_exit_event_follows(files: Files, temporal_server: DevServer) -> None:
    files.workflow(
        "child",
        """return { main = function()
             local message = process.listen('go', { message = true }):receive()
             return { ctx = ctx.all(), said = message:payload():data(), from = message:from() }
           end }""",
    )
    files.workflow(
        "main",
        """return { main = function(name)
             local events = process.events()
             local spawner = process.with_context({ tenant = 'acme' }):with_name(name):with_message('go', 'now')
             local pid = assert(spawner:spawn('t:child', 't:worker'))
             local event = events:receive()
             return { pid = pid, kind = event.kind, from = event.from, value = event.result.value, me = process.pid() }
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        name = f"child-{files.queue}"
        run = await stage.start("main", name)
        seen = await stage.result(run)
        assert seen["pid"] == seen["from"] == f"{{t:worker|{name}}}"
        assert seen["kind"] == "pid.exit"
        assert seen["value"] == {"ctx": {"tenant": "acme"}, "said": "now", "from": run.pid}
        assert [result.failure for result in await stage.replay(run)] == [None]


async def test_an_unknown_child_is_not_found(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", "return { main = function() return workflow.exec('t:nobody') end }")
    async with staged(files, temporal_server.address) as stage:
        with pytest.raises(Error) as failed:
            await stage.run("main")
        assert failed.value.kind == "NotFound"
        assert "t:nobody" in failed.value.message


async def test_a_child_id_that_is_taken_is_used_or_refused(files: Files, temporal_server: DevServer) -> None:
    files.workflow("child", "return { main = function() return process.listen('go'):receive() end }")
    files.workflow(
        "main",
        """return { main = function(name)
             local strict = process.with_name(name):with_options({ ['workflow.id_conflict_policy'] = 'fail' })
             local pid, err = strict:spawn('t:child', 't:worker')
             local shared = assert(process.with_name(name):with_message('go', 'together'):spawn('t:child', 't:worker'))
             local event = process.events():receive()
             return { err:kind(), err:details().workflow_id, err:details().run_id, shared, event.result.value }
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        name = f"taken-{files.queue}"
        child = await stage.start("child", id=name)
        assert await stage.run("main", name) == ["AlreadyExists", name, child.run_id, child.pid, "together"]


async def test_a_run_cancels_and_terminates_others(files: Files, temporal_server: DevServer) -> None:
    files.workflow("victim", "return { main = function() return time.sleep('1h') end }")
    files.workflow(
        "main",
        """return { main = function(first, second)
             return { process.cancel(first, 'no longer needed'), process.terminate(second) }
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        first, second = await stage.start("victim"), await stage.start("victim")
        assert await stage.run("main", first.pid, second.pid) == [True, True]
        with pytest.raises(Error) as canceled:
            await stage.result(first)
        assert canceled.value.kind == "Canceled"
        with pytest.raises(Error, match="terminated"):
            await stage.result(second)


async def test_a_linked_child_that_fails_takes_its_parent_along(files: Files, temporal_server: DevServer) -> None:
    files.workflow("child", "return { main = function() error('child broke') end }")
    files.workflow(
        "main",
        """return { main = function(trap)
             if trap then process.set_options{ trap_links = true } end
             local events = process.events()
             assert(process.spawn_linked('t:child', 't:worker'))
             local event = events:receive()
             return { event.kind, tostring(event.result.error) }
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        kind, error = await stage.run("main", True)
        assert kind == "pid.link.down"
        assert "child broke" in error
        with pytest.raises(Error, match="child broke"):
            await stage.run("main", False)


async def test_activities_and_children_run_on_the_worker_they_name(files: Files, temporal_server: DevServer) -> None:
    other = f"gpu-{files.queue}"
    files.client(tq_prefix="pre-")
    files.entry(name="gpu", kind="temporal.worker", client="temporal", task_queue=other)
    files.activity("where", "return { main = function() return activity.info().task_queue end }", worker="gpu")
    files.workflow(
        "child",
        "return { main = function() return { workflow.info().task_queue, process.pid() } end }",
        meta={"temporal": {"workflow": {"worker": "gpu"}}},
    )
    files.workflow(
        "main",
        "return { main = function() return { assert(funcs.call('t:where')), assert(workflow.exec('t:child')) } end }",
    )
    async with staged(files, temporal_server.address) as stage:
        activity, (queue, pid) = await stage.run("main")
        assert activity == queue == f"pre-{other}"
        assert pid.startswith("{t:gpu|child-")
