"""Whether a replay said again what the history says, value by value.

Temporal's own replay compares what kind of thing happened, and ids; not the values. A history in which somebody changed an
amount would pass. Here what the replayed run gave its activities and children, and what it returned, is held against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowHistory
from temporalio.common import RawValue
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    StartActivityInput,
    StartChildWorkflowInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from temporalio.workflow import ActivityHandle, ChildWorkflowHandle

Values = tuple[bytes, ...]


class Faithful(Interceptor):
    """Records what one replayed run says. Give it to a Replayer, replay, then ask for `difference`."""

    def __init__(self) -> None:
        self._activities: dict[str, Values] = {}
        self._children: dict[str, Values] = {}
        self._result: Values | None = None

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        book = self

        class Outbound(WorkflowOutboundInterceptor):
            def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
                if input.activity_id is not None:
                    book._activities[input.activity_id] = _said(input.args)
                return super().start_activity(input)

            async def start_child_workflow(self, input: StartChildWorkflowInput) -> ChildWorkflowHandle[Any, Any]:
                book._children[input.id] = _said(input.args)
                return await super().start_child_workflow(input)

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(Outbound(outbound))

            async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
                result = await super().execute_workflow(input)
                book._result = _said([result])
                return result

        return Inbound

    def difference(self, history: WorkflowHistory) -> str | None:
        """The first place where the history holds other values than the replayed run gave; None when there is none."""
        for event in history.events:
            activity = event.activity_task_scheduled_event_attributes
            child = event.start_child_workflow_execution_initiated_event_attributes
            done = event.workflow_execution_completed_event_attributes
            if event.HasField("activity_task_scheduled_event_attributes"):
                said, what = self._activities.get(activity.activity_id), f"arguments of {activity.activity_type.name}"
                recorded = _recorded(activity.input.payloads)
            elif event.HasField("start_child_workflow_execution_initiated_event_attributes"):
                said, what = self._children.get(child.workflow_id), f"arguments of the child {child.workflow_id}"
                recorded = _recorded(child.input.payloads)
            elif event.HasField("workflow_execution_completed_event_attributes"):
                said, what, recorded = self._result, "result of the run", _recorded(done.result.payloads)
            else:
                continue
            if said is not None and said != recorded:
                return (
                    f"event {event.event_id}: the {what} in the history is not what the run gives: "
                    f"expected {_shown(recorded)}, actual {_shown(said)}"
                )
        return None


def _said(args: Sequence[Any]) -> Values:
    return _recorded([arg.payload for arg in args if isinstance(arg, RawValue)])


def _recorded(payloads: Sequence[Payload]) -> Values:
    return tuple(payload.data for payload in payloads)


def _shown(values: Values) -> str:
    return ", ".join(_texts(values))[:300] or "nothing"


def _texts(values: Values) -> Iterator[str]:
    for value in values:
        yield value.decode("utf-8", "replace")
