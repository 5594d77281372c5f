"""The instance that the SDK activates: it knows every job and command of the SDK's core that is installed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from temporalio.bridge.proto.activity_result import ActivityResolution
from temporalio.bridge.proto.child_workflow import ChildWorkflowResult
from temporalio.bridge.proto.workflow_activation import ResolveChildWorkflowExecutionStart, WorkflowActivationJob
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.worker import WorkflowInstance

import runtime
from runtime.temporal.workflow.instance import _JOBS, LuaInstance

ROOM = Path(runtime.__file__).parent / "temporal" / "workflow"

#: Commands of the SDK's core that runs give.
GIVEN = {
    "start_timer",
    "cancel_timer",
    "schedule_activity",
    "request_cancel_activity",
    "schedule_local_activity",
    "request_cancel_local_activity",
    "respond_to_query",
    "complete_workflow_execution",
    "fail_workflow_execution",
    "cancel_workflow_execution",
    "continue_as_new_workflow_execution",
    "set_patch_marker",
    "start_child_workflow_execution",
    "cancel_child_workflow_execution",
    "signal_external_workflow_execution",
    "request_cancel_external_workflow_execution",
    "upsert_workflow_search_attributes",
    "modify_workflow_properties",
    "update_response",
}
#: Those that no script can ask for: an order to a signal on its way, and Nexus.
NOT_GIVEN = {"cancel_signal_workflow", "schedule_nexus_operation", "request_cancel_nexus_operation"}


def variants(message: type, oneof: str) -> set[str]:
    return {field.name for field in message.DESCRIPTOR.oneofs_by_name[oneof].fields}  # type: ignore[attr-defined]


def test_every_job_of_the_sdk_is_known() -> None:
    assert variants(WorkflowActivationJob, "variant") == {*_JOBS, "remove_from_cache"}


def test_every_command_of_the_sdk_is_given_or_known_not_to_be() -> None:
    assert variants(WorkflowCommand, "variant") == GIVEN | NOT_GIVEN


@pytest.mark.parametrize("command", sorted(GIVEN))
def test_each_command_is_written_somewhere_in_the_room(command: str) -> None:
    names = {
        node.attr
        for path in ROOM.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
    }
    assert command in names


@pytest.mark.parametrize(
    ("message", "known"),
    [
        (ActivityResolution, {"completed", "failed", "cancelled", "backoff"}),
        (ChildWorkflowResult, {"completed", "failed", "cancelled"}),
        (ResolveChildWorkflowExecutionStart, {"succeeded", "failed", "cancelled"}),
    ],
)
def test_every_way_a_thing_may_be_resolved_is_known(message: type, known: set[str]) -> None:
    assert variants(message, "status") == known


def test_the_sdk_asks_an_instance_for_nothing_else() -> None:
    """A method that a new SDK adds to its public class is looked at before it is inherited."""
    public = {name for name in vars(WorkflowInstance) if not name.startswith("_")}
    assert public == {
        "activate",
        "get_serialization_context",
        "get_external_store_context",
        "get_info",
        "get_thread_id",
    }
    assert public <= vars(LuaInstance).keys()
