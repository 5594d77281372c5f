"""The input of a run is judged by its schema: at the door where there is one, else at the run's first task."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest
from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from runtime import LuaPlugin, Runtime
from runtime.errors import Error
from runtime.lua.program import Programs
from runtime.registry import TemporalSchedule
from runtime.temporal.dev_server import DevServer
from runtime.temporal.replay.replayer import replay
from runtime.temporal.schedules.spec import wanted
from tests.temporal.stage import Files, Stage, staged
from tests.waiting import eventually

SCHEMA = {
    "type": "object",
    "required": ["id", "amount"],
    "properties": {"id": {"type": "string"}, "amount": {"type": "number", "minimum": 1}},
}
UNFIT = {"id": "o-1", "amount": 0}
FIT = {"id": "o-1", "amount": 1}
TEXT = "input of t:pay: at .amount: 0 is less than the minimum of 1 (input_schema.properties.amount.minimum)"
DETAILS = {"path": ".amount", "rule": "minimum", "schema": ".properties.amount.minimum"}

PAY = """return { main = function(order)
  workflow.query("id", function() return order.id end)
  if order.then_ then return process.upgrade(nil, order.then_) end
  return order.id .. " is paid"
end }"""


def _files(files: Files, schema: Any = SCHEMA) -> Files:
    return files.workflow("pay", PAY, input_schema=schema)


async def _refused(handle: WorkflowHandle[Any, Any]) -> ApplicationError:
    """How a run ended that somebody else started."""
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert isinstance(failed.value.cause, ApplicationError)
    return failed.value.cause


def _is_unfit(failure: ApplicationError) -> None:
    assert (failure.type, failure.message, failure.non_retryable) == ("Invalid", TEXT, True)
    assert failure.details[0]["details"] == DETAILS


async def _replayed(stage: Stage, *handles: WorkflowHandle[Any, Any]) -> list[Any]:
    histories = [await stage.runs.history(handle.id) for handle in handles]
    results = await replay(histories, stage.registry, Programs(stage.registry, stage.bundles))
    return [result.failure for result in results]


async def test_a_start_is_refused_before_there_is_a_run(files: Files, temporal_server: DevServer) -> None:
    async with staged(_files(files), temporal_server.address) as stage:
        for args in ([UNFIT], [], [[1]]):
            with pytest.raises(Error) as refused:
                await stage.start("pay", *args, id=f"never-{files.queue}")
            assert refused.value.kind == "Invalid"
            assert "input_schema" in refused.value.message
        with pytest.raises(Error, match="not found"):
            await stage.runs.describe(f"never-{files.queue}")
        assert await stage.run("pay", FIT) == "o-1 is paid"


async def test_spawn_of_a_runtime_is_refused(files: Files, temporal_server: DevServer) -> None:
    _files(files).load()
    path = files.directory / "registry.yaml"
    async with Runtime.open(path, temporal=temporal_server.address, environ={}) as runtime:
        with pytest.raises(Error) as refused:
            await runtime.spawn("t:pay", UNFIT)
        assert (refused.value.kind, refused.value.message, refused.value.details) == ("Invalid", TEXT, DETAILS)


async def test_a_run_of_a_plain_client_fails_at_its_first_task(files: Files, temporal_server: DevServer) -> None:
    """Also one whose type waits for a mended script: no script mends the input. What it is asked, it answers that it has failed."""
    waiting = {"temporal": {"workflow": {"worker": "worker", "on_error": "retry_task"}}}
    files.workflow("patient", PAY, input_schema=SCHEMA, meta=waiting)
    async with staged(_files(files), temporal_server.address) as stage:
        for type in ("t:pay", "t:patient"):
            handle = await stage.client.start_workflow(
                type, UNFIT, id=str(uuid.uuid4()), task_queue=files.queue, start_signal="paid", start_signal_args=[1]
            )
            failure = await _refused(handle)
            assert failure.message == TEXT.replace("t:pay", type)
            [replayed] = await _replayed(stage, handle)
            assert replayed is None
        with pytest.raises(Error, match="unknown query 'id'"):
            await stage.runs.query(handle.id, "id", [])
        kinds = [event["eventType"] for event in (await stage.runs.history(handle.id))["events"]]
        assert "EVENT_TYPE_WORKFLOW_TASK_FAILED" not in kinds
        fit = await stage.client.start_workflow("t:pay", FIT, id=str(uuid.uuid4()), task_queue=files.queue)
        assert await fit.result() == "o-1 is paid"


async def test_a_run_of_a_plugin_fails_at_its_first_task(files: Files, temporal_server: DevServer) -> None:
    async with staged(_files(files), temporal_server.address, serving=False) as stage:
        plugin = LuaPlugin(files.directory / "registry.yaml", environ={})
        async with Worker(stage.client, task_queue=files.queue, plugins=[plugin]):
            start = stage.client.start_workflow
            _is_unfit(await _refused(await start("t:pay", UNFIT, id=str(uuid.uuid4()), task_queue=files.queue)))


async def test_a_run_of_a_schedule_fails_at_its_first_task(files: Files, temporal_server: DevServer) -> None:
    """One that somebody else made: an entry's own input is judged with the registry."""
    async with staged(_files(files), temporal_server.address) as stage:
        id = f"{files.queue}-schedule"
        action = ScheduleActionStartWorkflow("t:pay", UNFIT, id=id, task_queue=files.queue)
        schedule = await stage.client.create_schedule(id, Schedule(action, ScheduleSpec()), trigger_immediately=True)
        try:

            async def started() -> Any:
                recent = (await schedule.describe()).info.recent_actions
                return recent and recent[0].action

            run = await eventually(started, every=0.1)
            _is_unfit(await _refused(stage.client.get_workflow_handle(run.workflow_id)))
        finally:
            await schedule.delete()


async def test_the_input_of_a_schedule_is_judged_when_its_placeholders_are_known(
    files: Files, temporal_server: DevServer
) -> None:
    files.entry(name="daily", kind="temporal.schedule", worker="worker", workflow="pay", cron="0 0 1 1 *")
    registry = _files(files).load()
    entry = registry["t:daily"]
    for value, refused in ((UNFIT, True), (FIT, False)):
        given = entry.model_copy(update={"input": value})
        assert isinstance(given, TemporalSchedule)
        if refused:
            with pytest.raises(Error, match=r"at \.amount"):
                wanted(registry, given)
        else:
            assert wanted(registry, given).id == "evermoon:t:daily"


async def test_spawn_and_exec_of_another_workflow_are_refused_at_their_line(
    files: Files, temporal_server: DevServer
) -> None:
    files.workflow(
        "parent",
        """local function told(value, err)
          return { value = value, kind = err and err:kind(), text = err and err:message(), stack = err and err:stack() }
        end
        return { main = function(input)
          return { told(process.spawn("t:pay", "t:worker", input)), told(workflow.exec("t:pay", input)),
                   told(process.exec("t:pay", "t:worker", input)) }
        end }""",
    )
    async with staged(_files(files), temporal_server.address) as stage:
        run = await stage.start("parent", UNFIT)
        for number, told in enumerate(await stage.result(run)):
            assert (told.get("value"), told["kind"], told["text"]) == (None, "Invalid", TEXT)
            assert told["stack"].startswith(f"parent.lua:{5 + (number > 1)}:")
        types = await stage.event_types(run)
        assert "START_CHILD_WORKFLOW_EXECUTION_INITIATED" not in types
        assert [result.failure for result in await stage.replay(run)] == [None]
        assert (await stage.run("parent", FIT))[1]["value"] == "o-1 is paid"


async def test_spawn_of_a_function_is_refused(files: Files, temporal_server: DevServer) -> None:
    files.function(
        "handler",
        """return { main = function(input)
          local pid, err = process.spawn("t:pay", "t:worker", input)
          return { pid = pid, kind = err and err:kind(), text = err and err:message() }
        end }""",
    )
    async with staged(_files(files), temporal_server.address) as stage:
        assert await stage.call("handler", UNFIT) == {"kind": "Invalid", "text": TEXT}
        assert "pid" in await stage.call("handler", FIT)


async def test_a_continued_run_is_refused_by_the_one_that_continues(files: Files, temporal_server: DevServer) -> None:
    async with staged(_files(files), temporal_server.address) as stage:
        run = await stage.start("pay", {**FIT, "then_": UNFIT})
        with pytest.raises(Error) as failed:
            await stage.result(run)
        assert (failed.value.kind, failed.value.message) == ("Invalid", TEXT)
        assert [result.failure for result in await stage.replay(run)] == [None]
        assert await stage.run("pay", {**FIT, "then_": {**FIT, "id": "o-2"}}) == "o-2 is paid"


async def test_a_run_that_began_goes_on_whatever_a_later_schema_says(files: Files, temporal_server: DevServer) -> None:
    """As runs do that began before inputs were judged at the first task: their bundles hold no schema, and their histories no refusal."""
    async with staged(_files(files, None), temporal_server.address) as stage:
        run = await stage.start("pay", FIT)
        await stage.result(run)
        handle = await stage.client.start_workflow("t:pay", FIT, id=str(uuid.uuid4()), task_queue=files.queue)
        await handle.result()
        plain = replace(run, id=handle.id)
        strict = _files(files, {"type": "object", "required": ["customer"]}).load()
        assert [result.failure for result in await stage.replay(run, plain, registry=strict)] == [None, None]


async def test_an_input_that_is_not_json_is_refused(files: Files, temporal_server: DevServer) -> None:
    async with staged(_files(files), temporal_server.address) as stage:
        handle = await stage.client.start_workflow("t:pay", b"bytes", id=str(uuid.uuid4()), task_queue=files.queue)
        assert (await _refused(handle)).message == "input of t:pay: bytes, where its input_schema is about JSON"
