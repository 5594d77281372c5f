"""What holds for a run holds whoever started it: a plain Temporal client, a schedule, a client of a worker with the plugin."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from temporalio.client import Client, Schedule, ScheduleActionStartWorkflow, ScheduleSpec, WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import Worker

from runtime import LuaPlugin
from runtime.temporal.dev_server import DevServer
from tests.temporal.stage import Files, staged
from tests.waiting import eventually

DOORS = ["plain client", "schedule", "plugin"]

#: Starts a run of that name with an argument, and gives a handle of it.
Start = Callable[[str, Any], Awaitable[Any]]


@asynccontextmanager
async def through(door: str, files: Files, address: str) -> AsyncIterator[Start]:
    async with staged(files, address, serving=door != "plugin") as stage:
        start = _triggered if door == "schedule" else _started

        async def begun(name: str, value: Any) -> Any:
            return await start(stage.client, files.queue, f"t:{name}", value)

        if door != "plugin":
            yield begun
            return
        plugin = LuaPlugin(files.directory / "registry.yaml", environ={})
        async with Worker(stage.client, task_queue=files.queue, plugins=[plugin]):
            yield begun


async def _started(client: Client, queue: str, type: str, value: Any) -> Any:
    return await client.start_workflow(type, value, id=str(uuid.uuid4()), task_queue=queue)


async def _triggered(client: Client, queue: str, type: str, value: Any) -> Any:
    id = str(uuid.uuid4())
    action = ScheduleActionStartWorkflow(type, value, id=id, task_queue=queue)
    schedule = await client.create_schedule(id, Schedule(action, ScheduleSpec()), trigger_immediately=True)

    async def actions() -> Any:
        return (await schedule.describe()).info.recent_actions

    try:
        [action_result] = await eventually(actions, every=0.1)
    finally:
        await schedule.delete()
    return client.get_workflow_handle(action_result.action.workflow_id)


async def _failure(handle: Any) -> Any:
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    return failed.value.cause


def _files(files: Files) -> Files:
    files.workflow("spins", "return function()\n  while true do end\nend", limits={"instructions": 100_000})
    files.workflow("fails", "return function(order)\n  return order.customer.name\nend")
    files.workflow(
        "large", "return function(n)\n  local sent, err = funcs.call('t:echo', ('x'):rep(n))\n  return nil, err\nend"
    )
    files.workflow("waits", "return function()\n  return process.events():receive().reason\nend")
    files.workflow("ends", "return function()\n  local _, err = time.sleep('24h')\n  return nil, err\nend")
    files.activity(
        "echo", "return function() return { activity_of = activity.info().workflow_pid, all = ctx.all() } end"
    )
    files.workflow(
        "whose",
        """return function(value)
             local called = funcs.new():with_context({ tenant = "acme" }):call("t:echo")
             return { value = value, parent = workflow.info().parent_pid, all = ctx.all(), pid = process.pid(), called = called }
           end""",
    )
    return files


@pytest.mark.parametrize("door", DOORS)
async def test_limits_errors_sizes_context_and_cancellation_hold_for_runs_of_others(
    door: str, files: Files, temporal_server: DevServer
) -> None:
    async with through(door, _files(files), temporal_server.address) as start:
        spent = await _failure(await start("spins", 1))
        assert isinstance(spent, ApplicationError)
        assert (spent.type, spent.non_retryable) == ("LimitExceeded", True)
        assert "instruction budget of 100000 spent at spins.lua:2" in spent.message

        failed = await _failure(await start("fails", {"id": 1}))
        assert (failed.type, failed.failure.stack_trace.splitlines()[0]) == (
            "Internal",
            "fails.lua:2: in function <fails.lua:1>",
        )

        large = await _failure(await start("large", 3_000_000))
        assert large.type == "Invalid"
        assert "arguments of t:echo: 3000002 bytes are more than Temporal takes at once" in large.message
        assert "large.lua:2: in call" in large.failure.stack_trace

        told = await (await start("whose", 7)).result()
        assert told["value"] == 7
        assert (told.get("parent"), told["all"]) == (None, {})
        assert told["called"] == {"activity_of": told["pid"], "all": {"tenant": "acme"}}

        waits = await start("waits", None)
        await waits.cancel(reason="the customer left")
        assert await waits.result() == "the customer left"
        ends = await start("ends", None)
        await ends.cancel(reason="closed")
        assert isinstance(await _failure(ends), CancelledError)
