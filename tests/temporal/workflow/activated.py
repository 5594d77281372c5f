"""A run as the SDK has it: activations in, commands out, without a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.api.common.v1 import Payloads
from temporalio.bridge.proto.workflow_activation import WorkflowActivation, WorkflowActivationJob
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.common import Priority, TypedSearchAttributes
from temporalio.converter import DataConverter
from temporalio.worker import WorkflowInstanceDetails

from runtime.lua.program import Programs
from runtime.temporal import wire
from runtime.temporal.workflow import LuaRunner, LuaWorkflow, WorkflowHost
from tests.temporal.stage import Files

Job = Callable[[WorkflowActivationJob], Any]
_START = datetime(2026, 1, 1, tzinfo=UTC)


def init(job: WorkflowActivationJob) -> None:
    job.initialize_workflow.workflow_id = "run"


class Activated:
    """One run of `t:main`."""

    def __init__(self, instance: Any) -> None:
        self._instance = instance

    def activate(self, *jobs: Job, replaying: bool = False) -> list[WorkflowCommand]:
        """The commands that an activation with these jobs leads to. One that fails the task fails the test."""
        act = WorkflowActivation(run_id="r", is_replaying=replaying)
        for fill in jobs:
            fill(act.jobs.add())
        completion = self._instance.activate(act)
        assert not completion.HasField("failed"), completion.failed.failure.message
        return list(completion.successful.commands)


@contextmanager
def activated(files: Files, **host_options: Any) -> Iterator[Activated]:
    """A run that has not begun: its first activation has the job `init`."""
    registry = files.load()
    host = WorkflowHost(registry, Programs(registry, files.bundles), "t:worker", **host_options)
    converter = DataConverter.default
    info = workflow.Info(
        attempt=1, continued_run_id=None, cron_schedule=None, execution_timeout=None, first_execution_run_id="r",
        headers=wire.headers(bundle="latest"), namespace="default", original_execution_run_id="r", parent=None, root=None, raw_memo={},
        retry_policy=None, run_id="r", run_timeout=None, search_attributes={}, start_time=_START, workflow_start_time=_START,
        task_queue=files.queue, task_timeout=timedelta(seconds=10), typed_search_attributes=TypedSearchAttributes.empty,
        workflow_id="run", workflow_type="t:main", priority=Priority.default,
    )  # fmt: skip
    instance = LuaRunner(host).create_instance(
        WorkflowInstanceDetails(
            payload_converter_factory=converter.payload_converter_class, failure_converter_class=converter.failure_converter_class,
            interceptor_classes=[], defn=workflow._Definition.must_from_class(LuaWorkflow), info=info, randomness_seed=7,
            extern_functions={}, disable_eager_activity_execution=False, worker_level_failure_exception_types=[],
            patch_activation_callback=None, last_completion_result=Payloads(), last_failure=None,
        )
    )  # fmt: skip
    try:
        yield Activated(instance)
    finally:
        host.close()
