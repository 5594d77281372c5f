"""The commands that a history records, by the workflow task that made them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from temporalio.api.history.v1 import HistoryEvent

from runtime.temporal import wire
from runtime.temporal.replay import shapes
from runtime.temporal.replay.shapes import CommandShape

#: The upsert that goes with a patch marker; the SDK's core makes both of one command.
_CHANGE_VERSION = "TemporalChangeVersion"


def recorded_commands(events: Sequence[HistoryEvent]) -> dict[int, list[CommandShape]]:
    """The commands of each completed workflow task, by the id of the event that the task began with."""
    begun = {event.event_id: event for event in events}
    tasks: dict[int, list[CommandShape]] = {}
    found: list[CommandShape] = []
    for event in events:
        if event.HasField("workflow_task_completed_event_attributes"):
            found = tasks.setdefault(event.workflow_task_completed_event_attributes.started_event_id, [])
            continue
        name = event.WhichOneof("attributes")
        read = _EVENTS.get(name.removesuffix("_event_attributes")) if name else None
        if name and read is not None:
            made = read(getattr(event, name), begun)
            if made is not None:
                at = shapes.position(event.user_metadata) or made.at
                found.append(CommandShape(made.what, made.text, at, made.fields, event.event_id, made.soft))
    return tasks


Events = Mapping[int, HistoryEvent]


def _scheduled(a: Any, _: Events) -> CommandShape:
    fields = {
        "activity id": a.activity_id,
        "arguments": shapes.shown(a.input.payloads),
        **shapes.spans(a),
        **shapes.retry_policy(a),
    }
    return CommandShape(("activity", a.activity_type.name), shapes.activity_text(a.activity_type.name), fields=fields)


def _timer_started(a: Any, _: Events) -> CommandShape:
    span = shapes.span(a.start_to_fire_timeout)
    return CommandShape(("timer",), f"timer {span}", fields={"duration": span})


def _timer_canceled(a: Any, begun: Events) -> CommandShape:
    started = begun[a.started_event_id]
    span = shapes.span(started.timer_started_event_attributes.start_to_fire_timeout)
    return CommandShape(
        ("cancel timer", a.timer_id), f"cancel of timer {span}", shapes.position(started.user_metadata), soft=True
    )


def _activity_cancel(a: Any, begun: Events) -> CommandShape:
    scheduled = begun[a.scheduled_event_id]
    activity = scheduled.activity_task_scheduled_event_attributes
    what = ("cancel activity", activity.activity_id)
    return CommandShape(
        what,
        f"cancel of {shapes.activity_text(activity.activity_type.name)}",
        shapes.position(scheduled.user_metadata),
        soft=True,
    )


def _child_started(a: Any, _: Events) -> CommandShape:
    return shapes.child(a, a.input.payloads)


def _signaled(a: Any, _: Events) -> CommandShape:
    return shapes.signal(a.workflow_execution.workflow_id, a.signal_name, a.input.payloads)


def _cancel_requested(a: Any, _: Events) -> CommandShape:
    return shapes.cancellation(a.workflow_execution.workflow_id)


def _marker(a: Any, _: Events) -> CommandShape | None:
    if a.marker_name != wire.SDK_PATCH:
        return None  # of a local activity: when it is recorded depends on when it ended
    payloads = a.details[wire.SDK_PATCH_DATA].payloads
    return shapes.patch(str(json.loads(payloads[0].data).get("id", ""))) if payloads else None


def _upserted(a: Any, _: Events) -> CommandShape | None:
    found = a.search_attributes.indexed_fields
    return None if set(found) == {_CHANGE_VERSION} else shapes.attributes("search attributes", found)


def _memo(a: Any, _: Events) -> CommandShape:
    return shapes.attributes("memo", a.upserted_memo.fields)


def _completed(a: Any, _: Events) -> CommandShape:
    return shapes.end("completed", "the run's completion", {"result": shapes.shown(a.result.payloads)})


def _failed(a: Any, _: Events) -> CommandShape:
    return shapes.failure(a)


def _canceled(_a: Any, _: Events) -> CommandShape:
    return shapes.end("canceled", "the run's end as canceled", {})


def _continued(a: Any, _: Events) -> CommandShape:
    return shapes.end(
        "continued", "continue-as-new", {"type": a.workflow_type.name, "arguments": shapes.shown(a.input.payloads)}
    )


def _updated(a: Any, begun: Events) -> CommandShape:
    accepted = begun[a.accepted_event_id].workflow_execution_update_accepted_event_attributes
    fields = {"result": shapes.shown(a.outcome.success.payloads)} if a.outcome.HasField("success") else {}
    return shapes.update(accepted.protocol_instance_id, fields)


_EVENTS: Mapping[str, Callable[[Any, Events], CommandShape | None]] = {
    "activity_task_scheduled": _scheduled,
    "timer_started": _timer_started,
    "timer_canceled": _timer_canceled,
    "activity_task_cancel_requested": _activity_cancel,
    "start_child_workflow_execution_initiated": _child_started,
    "signal_external_workflow_execution_initiated": _signaled,
    "request_cancel_external_workflow_execution_initiated": _cancel_requested,
    "marker_recorded": _marker,
    "upsert_workflow_search_attributes": _upserted,
    "workflow_properties_modified": _memo,
    "workflow_execution_completed": _completed,
    "workflow_execution_failed": _failed,
    "workflow_execution_canceled": _canceled,
    "workflow_execution_continued_as_new": _continued,
    "workflow_execution_update_completed": _updated,
}
