"""A worker with the plugin and much of its own: its Python workflows, interceptors and runner go on as they were."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import temporalio.client
import temporalio.worker
from temporalio import activity, workflow
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowInstance, WorkflowInstanceDetails

from runtime import LuaPlugin
from runtime.contracts import Cursor
from runtime.modules.stream.sql import opened_file
from runtime.modules.stream.store import DEFAULT
from runtime.temporal.dev_server import DevServer
from tests.temporal.stage import Files, staged


@activity.defn(name="plain")
async def plain(text: str) -> str:
    return f"plain {text}"


@workflow.defn(name="sandboxed")
class Sandboxed:
    @workflow.run
    async def run(self, text: str) -> str:
        return str(await workflow.execute_activity("plain", text, start_to_close_timeout=timedelta(seconds=10)))


@workflow.defn(name="open", sandboxed=False)
class Open:
    """Outside the sandbox, as Lua workflows are; and the parent of one."""

    @workflow.run
    async def run(self, text: str) -> str:
        return str(await workflow.execute_child_workflow("t:main", text))


class Runner(UnsandboxedWorkflowRunner):
    """Counts what it runs."""

    def __init__(self, seen: Counter[str]) -> None:
        self.seen = seen

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        self.seen[f"runner {det.info.workflow_type}"] += 1
        return super().create_instance(det)


class Interceptor(temporalio.worker.Interceptor):
    """Counts the runs and activities that it is told of."""

    def __init__(self, seen: Counter[str]) -> None:
        self.seen = seen

    def intercept_activity(
        self, next: temporalio.worker.ActivityInboundInterceptor
    ) -> temporalio.worker.ActivityInboundInterceptor:
        seen = self.seen

        class Inbound(temporalio.worker.ActivityInboundInterceptor):
            async def execute_activity(self, input: temporalio.worker.ExecuteActivityInput) -> Any:
                seen[f"activity {activity.info().activity_type}"] += 1
                return await super().execute_activity(input)

        return Inbound(next)

    def workflow_interceptor_class(
        self, input: temporalio.worker.WorkflowInterceptorClassInput
    ) -> type[temporalio.worker.WorkflowInboundInterceptor]:
        seen = self.seen

        class Inbound(temporalio.worker.WorkflowInboundInterceptor):
            async def execute_workflow(self, input: temporalio.worker.ExecuteWorkflowInput) -> Any:
                seen[f"workflow {workflow.info().workflow_type}"] += 1
                return await super().execute_workflow(input)

        return Inbound


async def test_each_runs_as_it_would_alone(files: Files, temporal_server: DevServer) -> None:
    files.activity("act", "return { main = function(text) return 'lua ' .. text end }")
    files.workflow("main", "return { main = function(text) return funcs.call('t:act', text) end }")
    seen: Counter[str] = Counter()
    async with staged(files, temporal_server.address, serving=False) as stage:
        plugin = LuaPlugin(files.directory / "registry.yaml", environ={})
        worker = Worker(
            stage.client,
            task_queue=files.queue,
            plugins=[plugin],
            workflows=[Sandboxed, Open],
            activities=[plain],
            interceptors=[Interceptor(seen)],
            unsandboxed_workflow_runner=Runner(seen),
            max_cached_workflows=50,
        )
        async with worker:
            execute = stage.client.execute_workflow
            assert await execute("sandboxed", "a", id=f"{files.queue}-a", task_queue=files.queue) == "plain a"
            assert await execute("open", "b", id=f"{files.queue}-b", task_queue=files.queue) == "lua b"
            assert await execute("t:main", "c", id=f"{files.queue}-c", task_queue=files.queue) == "lua c"
    # A busy machine tries a task twice.
    assert seen.keys() == {"runner open", "workflow sandboxed", "workflow open", "activity plain", "activity t:act"}
    assert seen["activity t:act"] >= 2


async def test_what_a_run_publishes_by_the_plugin_is_in_the_store_of_its_registry(
    files: Files, temporal_server: DevServer
) -> None:
    files.entry(name="db", kind="db.sql.sqlite", file="streams.db")
    files.entry(name="streams", kind="stream.sql", database="db")
    files.workflow("main", "return { main = function() return workflow.publish('news', 'hello') end }")
    async with staged(files, temporal_server.address, serving=False) as stage:
        plugin = LuaPlugin(files.directory / "registry.yaml", environ={})
        async with Worker(stage.client, task_queue=files.queue, plugins=[plugin]):
            handle = await stage.client.start_workflow("t:main", id=files.queue, task_queue=files.queue)
            assert await handle.result() is True
    store = await opened_file(files.directory / "streams.db", DEFAULT)
    try:
        [event] = await store.read(str(handle.first_execution_run_id), Cursor(0))
    finally:
        await store.close()
    assert (event.data["name"], event.data["data"], event.data["by"]) == ("news", "hello", "t:main")
