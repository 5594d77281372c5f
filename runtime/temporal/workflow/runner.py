"""The definition and the runner that make an SDK worker run Lua workflows of every type."""

from __future__ import annotations

from collections.abc import Sequence

from temporalio import workflow
from temporalio.common import RawValue, VersioningBehavior
from temporalio.converter import DataConverter, FailureConverter, PayloadConverter, WithSerializationContext
from temporalio.worker import (
    UnsandboxedWorkflowRunner,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)

from runtime.temporal.workflow.commands.handlers import HANDLERS
from runtime.temporal.workflow.completion import conclude
from runtime.temporal.workflow.environment import WorkflowHost
from runtime.temporal.workflow.instance import LuaInstance
from runtime.temporal.workflow.pacing import Pacing
from runtime.temporal.workflow.run import Run


@workflow.defn(dynamic=True, sandboxed=False)
class LuaWorkflow:
    """The one workflow definition for every Lua type. It is dynamic, so that a new type needs no new worker. Nothing ever makes an instance."""

    @workflow.dynamic_config
    def config(self) -> workflow.DynamicWorkflowConfig:
        # anything but UNSPECIFIED is refused by the server when the worker has no deployment version
        return workflow.DynamicWorkflowConfig(versioning_behavior=VersioningBehavior.UNSPECIFIED)

    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> RawValue:
        raise NotImplementedError("a worker with LuaWorkflow needs LuaRunner as its unsandboxed_workflow_runner")


class LuaRunner(WorkflowRunner):
    """The `unsandboxed_workflow_runner` of one worker, which runs `LuaWorkflow`. Other workflows that opt out of the sandbox go to `others`."""

    def __init__(self, host: WorkflowHost, others: WorkflowRunner | None = None) -> None:
        self._host = host
        self._others = others if others is not None else UnsandboxedWorkflowRunner()
        self._converters: tuple[FailureConverter, PayloadConverter] | None = None
        self._tells_whose = True

    def prepare_workflow(self, defn: workflow._Definition) -> None:
        if defn.cls is not LuaWorkflow:
            self._others.prepare_workflow(defn)

    def set_worker_level_failure_exception_types(self, types: Sequence[type[BaseException]]) -> None:
        self._others.set_worker_level_failure_exception_types(types)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        if det.defn.cls is not LuaWorkflow:
            return self._others.create_instance(det)
        if self._converters is None:  # one worker has one of each
            self._converters = det.failure_converter_class(), det.payload_converter_factory()
            self._tells_whose = _is_asked_whose(det)
        return LuaInstance(Run(self._host, det, self._converters, HANDLERS, conclude, Pacing), self._tells_whose)


def _is_asked_whose(details: WorkflowInstanceDetails) -> bool:
    """Whether the worker's codec or store makes a difference between payloads of this run or that activity. True where nobody knows."""
    converter = getattr(details.payload_converter_factory, "__self__", None)
    if not isinstance(converter, DataConverter):
        return True
    return converter.external_storage is not None or isinstance(converter.payload_codec, WithSerializationContext)
