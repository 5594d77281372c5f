"""What a worker tells a `WorkflowRunner`, overheard in a replay: the doors are those that the SDK gives to anybody's runner and plugin."""

from __future__ import annotations

import time
from typing import Any

from temporalio import workflow
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.plugin import SimplePlugin
from temporalio.worker import ReplayerConfig, WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner


class Told:
    """What a runner was told in one replay: the details of the instance, and its activations in order, as bytes that nobody can change."""

    def __init__(self) -> None:
        self.runner: WorkflowRunner
        self.details: WorkflowInstanceDetails
        self.activations: list[bytes] = []

    def made(self, count: int) -> tuple[list[WorkflowInstance], float]:
        """Instances, and the seconds for all. Call it on the event loop: there a worker makes them, and activates them on threads."""
        begun = time.thread_time()
        instances = [self.runner.create_instance(self.details) for _ in range(count)]
        return instances, time.thread_time() - begun


class _Listening(WorkflowInstance):
    def __init__(self, inner: WorkflowInstance, told: Told) -> None:
        self._inner, self._told = inner, told

    def activate(self, act: WorkflowActivation) -> Any:
        if not any(job.HasField("remove_from_cache") for job in act.jobs):
            self._told.activations.append(act.SerializeToString())
        return self._inner.activate(act)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get_serialization_context(self, command_info: Any) -> Any:
        return self._inner.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> Any:
        return self._inner.get_external_store_context(command_info)

    def get_info(self) -> workflow.Info:
        return self._inner.get_info()


class _Between(WorkflowRunner):
    def __init__(self, inner: WorkflowRunner, told: Told) -> None:
        self._inner, self._told = inner, told

    def prepare_workflow(self, defn: Any) -> None:
        self._inner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        self._told.runner, self._told.details = self._inner, det
        return _Listening(self._inner.create_instance(det), self._told)


class Ear(SimplePlugin):
    """The last plugin of a replayer: stands before the runners that others have put in."""

    def __init__(self, told: Told) -> None:
        super().__init__("bench")
        self._told = told

    def configure_replayer(self, config: ReplayerConfig) -> ReplayerConfig:
        config = super().configure_replayer(config)
        config["workflow_runner"] = _Between(config["workflow_runner"], self._told)
        config["unsandboxed_workflow_runner"] = _Between(config["unsandboxed_workflow_runner"], self._told)
        return config
