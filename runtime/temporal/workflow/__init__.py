"""The Temporal host: an activation of the SDK's core comes in, and the commands of its completion go out.

`instance` takes the activation apart into events; `run` gives them to the kernel and hands its commands to `commands/`, which write
them into the completion. The protobuf types of the SDK's core are used here and nowhere else.
"""

from __future__ import annotations

from runtime.temporal.workflow.environment import WorkflowHost
from runtime.temporal.workflow.runner import LuaRunner, LuaWorkflow

__all__ = ["LuaRunner", "LuaWorkflow", "WorkflowHost"]
