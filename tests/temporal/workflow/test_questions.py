"""Queries, updates, versions, attributes, and what a run says of itself."""

from __future__ import annotations

import asyncio
import logging
import subprocess
from typing import Any

import pytest
from temporalio.api.sdk.v1 import EnhancedStackTrace, WorkflowMetadata
from temporalio.client import WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy

from runtime.errors import Error
from runtime.temporal.dev_server import DevServer, find_cli
from tests.temporal.stage import Files, staged

COUNTER = """return { main = function()
  local total, done = 0, false
  workflow.query('total', function(extra) return total + (extra or 0) end)
  workflow.update('add', function(n) time.sleep('1ms'); total = total + n; return total end,
    function(n) if n < 0 then return nil, errors.new('Invalid', 'negative') end end)
  workflow.update('finish', function() done = true; return 'bye' end)
  workflow.wait(function() return done end)
  return total
end }"""


async def test_queries_and_updates(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", COUNTER)
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        assert await stage.update(run, "add", 2) == 2
        assert await stage.update(run, "add", 3) == 5
        assert await stage.query(run, "total", 10) == 15
        handle = stage.client.get_workflow_handle(run.id)
        metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        assert "total" in [query.name for query in metadata.definition.query_definitions]
        with pytest.raises(Error, match="negative") as rejected:
            await stage.update(run, "add", -1)
        assert rejected.value.kind == "Invalid"
        with pytest.raises(Error):
            await stage.update(run, "nobody", 1)
        with pytest.raises(Error):
            await stage.query(run, "nobody")
        assert await stage.update(run, "finish") == "bye"
        assert await stage.result(run) == 5
        assert await stage.query(run, "total") == 5
        assert (await stage.event_types(run)).count("WORKFLOW_EXECUTION_UPDATE_ACCEPTED") == 3
        assert [result.failure for result in await stage.replay(run)] == [None]


async def test_the_stack_of_a_waiting_run_and_its_status(files: Files, temporal_server: DevServer) -> None:
    files.workflow(
        "main",
        """return { main = function()
             workflow.status({ step = 'waiting' })
             process.listen('go'):receive()
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await stage.until(run, "WORKFLOW_TASK_COMPLETED")
        described = await stage.runs.describe(run.id, stack=True)
        assert described.state == "in_progress"
        assert described.details == {"step": "waiting"}
        assert described.bundle
        assert any("main.lua:3" in frame for item in described.stack for frame in item["frames"])
        handle = stage.client.get_workflow_handle(run.id)
        metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        assert '"step": "waiting"' in metadata.current_details
        assert metadata.definition.type == "t:main"
        await stage.send(run, "go")
        await stage.result(run)


WAITS = """local function ask()
  return time.sleep('1h')
end
return { main = function()
  coroutine.spawn(function() return ask() end)
  return lib.wait()
end }"""


async def test_temporal_s_own_tools_show_the_stacks_of_all_coroutines(files: Files, temporal_server: DevServer) -> None:
    library = "return { wait = function()\n  return process.listen('go'):receive()\nend }"
    (files.directory / "lib.lua").write_text(library)
    files.entry(name="lib", kind="library.lua", source="file://lib.lua")
    files.workflow("main", WAITS, imports={"lib": "lib"})
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await stage.until(run, "TIMER_STARTED")
        handle = stage.client.get_workflow_handle(run.id)
        shown = await handle.query("__stack_trace", result_type=str)
        places = [line.strip().partition(" in ")[0] for line in shown.splitlines()]
        assert places == ["coroutine 1: receive", "lib.lua:2", "", "coroutine 2: timer 1", "main.lua:2"]
        trace = await handle.query("__enhanced_stack_trace", result_type=EnhancedStackTrace)
        located = [[(place.file_path, place.line) for place in stack.locations] for stack in trace.stacks]
        assert [stack[0] for stack in located] == [("lib.lua", 2), ("main.lua", 2)]
        assert {name: source.content for name, source in trace.sources.items()} == {
            "main.lua": WAITS,
            "lib.lua": library,
        }
        assert trace.sdk.name == "evermoon"
        assert str(files.directory) not in shown + str(trace)
        command = [find_cli(), "workflow", "stack", "--workflow-id", run.id, "--address", temporal_server.address]
        told = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
        assert "lib.lua:2 in " in told.stdout
        assert "main.lua:2 in " in told.stdout
        await stage.runs.terminate(run.id)


#: Of a type whose runs follow the newest code.
LATEST = {"temporal": {"workflow": {"worker": "worker", "versioning": "latest"}}}


async def test_a_running_version_is_pinned_and_a_new_one_is_taken(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", "return { main = function() return process.listen('go'):receive() end }")
    versioned = """return { main = function()
      local v = workflow.version('step', 1, %d)
      process.listen('go'):receive()
      return { v, workflow.version('step', 1, %d) }
    end }"""
    files.workflow("main", versioned % (2, 2), meta=LATEST)
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await stage.until(run, "WORKFLOW_TASK_COMPLETED")
    files.workflow("main", versioned % (3, 3), meta=LATEST)
    async with staged(files, temporal_server.address) as stage:
        await stage.send(run, "go")
        assert await stage.result(run) == [2, 2]
        assert await stage.run("main", messages=[("go", 1)]) == [3, 3]
        assert [result.failure for result in await stage.replay(run)] == [None]


async def test_a_run_from_before_a_change_is_on_the_lowest_version(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", "return { main = function() return process.listen('go'):receive() end }", meta=LATEST)
    async with staged(files, temporal_server.address) as stage:
        old, older = await stage.start("main"), await stage.start("main")
        await stage.until(old, "WORKFLOW_TASK_COMPLETED")
        await stage.until(older, "WORKFLOW_TASK_COMPLETED")
    files.workflow(
        "main",
        """return { main = function()
             local v = workflow.version('step', 1, 2)
             local w, err = workflow.version('other', 2, 3)
             process.listen('go'):receive()
             return { v, w or err:message() }
           end }""",
        meta=LATEST,
    )
    async with staged(files, temporal_server.address) as stage:
        await stage.send(old, "go")
        version, refusal = await stage.result(old)
        assert version == 1
        assert all(number in refusal for number in "123")
        await stage.runs.terminate(older.id)


async def test_attributes_are_checked_before_they_are_sent(files: Files, temporal_server: DevServer) -> None:
    files.client(search_attributes={"EvermoonCustomer": "Keyword", "EmCount": "Int", "EmTags": "KeywordList"})
    files.workflow(
        "main",
        """return { main = function()
             local seen = {}
             for i, search in ipairs{ { Nobody = 'x' }, { EmCount = 'ten' }, { EvermoonCustomer = 'acme', EmCount = 10, EmTags = { 'a', 'b' } } } do
               local ok, err = workflow.attrs{ search = search, memo = { note = i } }
               seen[i] = err and err:kind() or 'ok'
             end
             return seen
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        assert await stage.result(run) == ["Invalid", "Invalid", "ok"]
        description = await stage.client.get_workflow_handle(run.id).describe()
        values = {pair.key.name: pair.value for pair in description.typed_search_attributes}
        assert values["EmCount"] == 10
        assert list(values["EmTags"]) == ["a", "b"]
        assert (await stage.runs.describe(run.id)).memo == {"note": 3}
        assert [result.failure for result in await stage.replay(run)] == [None]


async def test_info_tells_who_and_where(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", "return { main = function() return workflow.info() end }")
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        info = await stage.result(run)
        assert (info["workflow_id"], info["run_id"], info["workflow_type"]) == (run.id, run.run_id, "t:main")
        assert (info["task_queue"], info["namespace"], info["attempt"]) == (files.queue, "default", 1)
        assert info["history_length"] == 3
        assert info["bundle"] == (await stage.runs.describe(run.id)).bundle


async def test_random_values_come_back_in_a_replay(files: Files, temporal_server: DevServer) -> None:
    files.workflow(
        "main",
        """return { main = function()
             local id = uuid.v4()
             assert(funcs.call('t:echo', id, math.random(1000000)))
             return id
           end }""",
    )
    files.activity("echo", "return { main = function(v) return v end }")
    async with staged(files, temporal_server.address) as stage:
        first, second = await stage.start("main"), await stage.start("main")
        assert await stage.result(first) != await stage.result(second)
        assert [result.failure for result in await stage.replay(first, second)] == [None, None]


async def test_an_update_may_come_with_the_start(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", COUNTER)
    async with staged(files, temporal_server.address) as stage:
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            "t:main",
            id=f"u-{files.queue}",
            task_queue=files.queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        answer = await stage.client.execute_update_with_start_workflow("add", 7, start_workflow_operation=start)
        assert answer == 7
        handle = await start.workflow_handle()
        assert await handle.query("total") == 7
        await handle.terminate()


async def test_main_that_returns_in_an_update_still_answers_it(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", COUNTER)
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        assert await stage.update(run, "finish") == "bye"
        assert await stage.result(run) == 0


async def test_log_lines_say_where_they_come_from_and_are_written_once(
    files: Files, temporal_server: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    files.workflow(
        "main",
        """return { main = function()
             logger:info('before', { order = 7 })
             time.sleep('1ms')
             print('after')
             for i = 1, 12000 do logger:debug('flood') end
           end }""",
    )
    files.worker(max_cached_workflows=0)
    with caplog.at_level(logging.DEBUG, "evermoon.script"):
        async with staged(files, temporal_server.address) as stage:
            run = await stage.start("main")
            await stage.result(run)
            await stage.replay(run)
            events = (await stage.history(run))["events"]
    tasks = [
        event["workflowTaskScheduledEventAttributes"]
        for event in events
        if "workflowTaskScheduledEventAttributes" in event
    ]
    repeated = sum(task.get("attempt", 1) for task in tasks) - len(tasks)
    lines = [record for record in caplog.records if record.name == "evermoon.script"]
    told = [record.getMessage() for record in lines]
    # A task that a busy machine does not end in time is done again, and says it again.
    assert 1 <= told.count("before") <= 1 + repeated
    assert 1 <= told.count("after") <= 1 + repeated
    assert told[-1] == "too much is logged in one step: the rest is dropped"
    about = vars(lines[0])["evermoon"]
    assert (about["pid"], about["at"], about["fields"]) == (run.pid, "main.lua:2", {"order": 7})


async def test_a_question_that_spends_its_budget_says_so_and_the_run_goes_on(
    files: Files, temporal_server: DevServer
) -> None:
    """A query's answer, and the refusal of an update by its validator: which limit, where, and what to do."""
    files.workflow(
        "main",
        """return { main = function()
             local function spin()
               while true do end
             end
             workflow.query("spin", spin)
             workflow.update("spin", function() return true end, spin)
             local _, said = process.listen("end"):receive()
             return said
           end }""",
        limits={"instructions": 100_000},
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        for ask in (stage.query, stage.update):
            with pytest.raises(Error) as spent:
                await ask(run, "spin")
            assert spent.value.kind == "LimitExceeded"
            assert spent.value.message.startswith(
                "instruction budget of 100000 spent at main.lua:3: raise limits.instructions"
            )
        await stage.send(run, "end", "over")
        assert await stage.result(run) is True
        assert [result.failure for result in await stage.replay(run)] == [None]
