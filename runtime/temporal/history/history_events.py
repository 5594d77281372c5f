"""The translation of a run's history into the events that clients see: a history event becomes one of them, or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from temporalio.api.enums.v1 import ContinueAsNewInitiator, EventType
from temporalio.api.history.v1 import HistoryEvent

from runtime import errors
from runtime.errors import Error
from runtime.payload import JSON, Payload
from runtime.temporal import budgets, failures, wire
from runtime.temporal.client import ends
from runtime.temporal.client.moments import moment

Told = tuple[str, dict[str, Any]]

#: What the SDK records of a local activity.
_LOCAL = "core_local_activity"
#: A longer result is not told along: whoever wants it asks for it.
_MAX_RESULT = 64 * 1024
_PREFIX = "EVENT_TYPE_"


class HistoryEvents:
    """The translator for one run. It must be given the run's events from the first one on, because later ones refer to earlier ones."""

    def __init__(self, run_id: str, *, goes_on: bool) -> None:
        """`goes_on`: the run is the successor of one that was told of."""
        self._run_id = run_id
        self._goes_on = goes_on
        self._budget: str | None = None
        self._asked_to_end: dict[str, Any] | None = None
        self._about: dict[int, dict[str, Any] | None] = {}

    def tell(self, event: HistoryEvent) -> Told | None:
        told = self._told(EventType.Name(event.event_type).removeprefix(_PREFIX), event)
        if told is None:
            return None
        name, data = told
        return name, {"at": moment(event.event_time), "run_id": self._run_id, **_without_none(data)}

    def _told(self, kind: str, event: HistoryEvent) -> Told | None:
        attributes = getattr(event, event.WhichOneof("attributes") or "", None)
        if kind in _ENDS:
            told = _end(kind, attributes)
            if told[0] == "canceled":
                return "canceled", {"error": ends.canceled(self._asked_to_end).to_wire()}
            if told[0] == "failed" and self._budget is not None:
                return "timed_out", told[1]
            if told[0] == "timed_out" and self._budget is not None:
                return "timed_out", {"error": budgets.overrun(self._budget).to_wire()}
            return told
        if kind in _STEPS:
            return self._step(kind, attributes)
        if kind in _CHILDREN:
            return self._child(kind, attributes)
        tell = _OTHERS.get(kind)
        return tell(self, event, attributes) if tell else None

    # Steps ----------------------------------------------------------------------------------------------------------------

    def scheduled(self, event: HistoryEvent, attributes: Any) -> Told | None:
        name = attributes.activity_type.name
        if name.startswith(wire.SYSTEM):
            self._about[event.event_id] = None
            return None
        step = {"activity": name, "activity_id": attributes.activity_id}
        self._about[event.event_id] = step
        return "step.scheduled", {**step, "summary": _summary(event)}

    def _step(self, kind: str, attributes: Any) -> Told | None:
        step = self._about.get(attributes.scheduled_event_id)
        if step is None:
            return None
        name = _STEPS[kind]
        if kind == "ACTIVITY_TASK_STARTED":
            step["attempt"] = attributes.attempt
            failed = {
                "last_failure": _failure(attributes, "last_failure"),
                "attempts": _attempts(attributes, "last_failure"),
            }
            return name, {**step, **failed}
        if name == "step.completed":
            return name, dict(step)
        error = _failure(attributes, "failure") or _canceled("activity canceled")
        return name, {**step, "error": error, "attempts": _attempts(attributes, "failure")}

    def marked(self, event: HistoryEvent, attributes: Any) -> Told | None:
        """A local activity is in the history once it is over."""
        if attributes.marker_name != _LOCAL:
            return None
        told = _value(attributes.details["data"].payloads) if "data" in attributes.details else None
        about: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
        if str(about.get("activity_type", "")).startswith(wire.SYSTEM):
            return None
        step = {name: about.get(name) for name in ("activity_id", "attempt")}
        step["activity"] = about.get("activity_type")
        error = _failure(attributes, "failure")
        return ("step.failed", {**step, "error": error}) if error else ("step.completed", step)

    # Children -------------------------------------------------------------------------------------------------------------

    def initiated(self, event: HistoryEvent, attributes: Any) -> Told:
        child = {"id": attributes.workflow_id, "type": attributes.workflow_type.name}
        self._about[event.event_id] = child
        return "child.scheduled", {**child, "summary": _summary(event)}

    def _child(self, kind: str, attributes: Any) -> Told | None:
        child = self._about.get(attributes.initiated_event_id)
        if child is None:
            return None
        name, data = _CHILDREN[kind], dict(child)
        if kind == "START_CHILD_WORKFLOW_EXECUTION_FAILED":
            data["error"] = errors.already_exists("a workflow of that id runs").to_wire()
            return name, data
        data["child_run_id"] = attributes.workflow_execution.run_id
        if name == "child.failed":
            data["error"] = _failure(attributes, "failure")
        return name, data

    # Everything else ------------------------------------------------------------------------------------------------------

    def started(self, event: HistoryEvent, attributes: Any) -> Told | None:
        if self._goes_on:
            return None
        return "started", {"type": attributes.workflow_type.name, "task_queue": attributes.task_queue.name}

    def timer(self, event: HistoryEvent, attributes: Any) -> Told:
        wanted = attributes.start_to_fire_timeout.ToTimedelta().total_seconds()
        return "timer.started", {"timer_id": attributes.timer_id, "seconds": wanted, "summary": _summary(event)}

    def fired(self, event: HistoryEvent, attributes: Any) -> Told:
        return "timer.fired", {"timer_id": attributes.timer_id}

    def stopped(self, event: HistoryEvent, attributes: Any) -> Told:
        return "timer.canceled", {"timer_id": attributes.timer_id}

    def cancel_requested(self, event: HistoryEvent, attributes: Any) -> Told:
        """By somebody, or by the run itself, which has spent its time budget."""
        self._asked_to_end = ends.cancel_request(event)
        return "cancel.requested", {name: text for name, text in (self._asked_to_end or {}).items() if text}

    def remembered(self, event: HistoryEvent, attributes: Any) -> Told | None:
        budget = wire.spent_budget(event)
        if budget is None:
            return None
        self._budget = budget
        return self.cancel_requested(event, attributes)

    def signaled(self, event: HistoryEvent, attributes: Any) -> Told:
        sender = wire.sender_of(attributes.header.fields)
        return "signal", {"topic": attributes.signal_name, "from": sender or None}


_STEPS: Mapping[str, str] = {
    "ACTIVITY_TASK_STARTED": "step.started",
    "ACTIVITY_TASK_COMPLETED": "step.completed",
    "ACTIVITY_TASK_FAILED": "step.failed",
    "ACTIVITY_TASK_TIMED_OUT": "step.failed",
    "ACTIVITY_TASK_CANCELED": "step.failed",
}
_CHILDREN: Mapping[str, str] = {
    "START_CHILD_WORKFLOW_EXECUTION_FAILED": "child.failed",
    "CHILD_WORKFLOW_EXECUTION_STARTED": "child.started",
    "CHILD_WORKFLOW_EXECUTION_COMPLETED": "child.completed",
    "CHILD_WORKFLOW_EXECUTION_FAILED": "child.failed",
    "CHILD_WORKFLOW_EXECUTION_CANCELED": "child.canceled",
    "CHILD_WORKFLOW_EXECUTION_TERMINATED": "child.terminated",
    "CHILD_WORKFLOW_EXECUTION_TIMED_OUT": "child.timed_out",
}
_OTHERS: Mapping[str, Callable[[HistoryEvents, HistoryEvent, Any], Told | None]] = {
    "WORKFLOW_EXECUTION_STARTED": HistoryEvents.started,
    "ACTIVITY_TASK_SCHEDULED": HistoryEvents.scheduled,
    "MARKER_RECORDED": HistoryEvents.marked,
    "START_CHILD_WORKFLOW_EXECUTION_INITIATED": HistoryEvents.initiated,
    "TIMER_STARTED": HistoryEvents.timer,
    "TIMER_FIRED": HistoryEvents.fired,
    "TIMER_CANCELED": HistoryEvents.stopped,
    "WORKFLOW_EXECUTION_SIGNALED": HistoryEvents.signaled,
    "WORKFLOW_EXECUTION_CANCEL_REQUESTED": HistoryEvents.cancel_requested,
    "WORKFLOW_PROPERTIES_MODIFIED": HistoryEvents.remembered,
}
_ENDS: Mapping[str, str] = {
    "WORKFLOW_EXECUTION_COMPLETED": "completed",
    "WORKFLOW_EXECUTION_FAILED": "failed",
    "WORKFLOW_EXECUTION_TIMED_OUT": "timed_out",
    "WORKFLOW_EXECUTION_CANCELED": "canceled",
    "WORKFLOW_EXECUTION_TERMINATED": "terminated",
    "WORKFLOW_EXECUTION_CONTINUED_AS_NEW": "continued",
}
_WHY: Mapping[ContinueAsNewInitiator.ValueType, str] = {
    ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_RETRY: "retry",
    ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE: "cron",
}


def successor_of(event: HistoryEvent) -> str | None:
    """The run that goes on where this event ends one; "" when none does; None for an event that ends no run."""
    if EventType.Name(event.event_type).removeprefix(_PREFIX) not in _ENDS:
        return None
    attributes = getattr(event, event.WhichOneof("attributes") or "", None)
    return str(getattr(attributes, "new_execution_run_id", ""))


def _end(kind: str, attributes: Any) -> Told:
    """A run that is tried again, or has its next turn, is no more over than one that continued as new."""
    successor = getattr(attributes, "new_execution_run_id", "")
    error = _failure(attributes, "failure")
    if successor:
        initiator = getattr(attributes, "initiator", None)
        why = _WHY.get(initiator, "continue_as_new") if initiator is not None else _WHY_ENDED.get(kind, "retry")
        return "continued", {"next_run_id": successor, "why": why, "error": error}
    if kind == "WORKFLOW_EXECUTION_COMPLETED":
        return "completed", {"result": _value(attributes.result.payloads)}
    if kind == "WORKFLOW_EXECUTION_TERMINATED":
        return "terminated", {"reason": attributes.reason, "by": attributes.identity or None}
    return _ENDS[kind], {"error": error}


_WHY_ENDED = {"WORKFLOW_EXECUTION_COMPLETED": "cron"}


def _failure(attributes: Any, name: str) -> dict[str, Any] | None:
    if name not in attributes.DESCRIPTOR.fields_by_name or not attributes.HasField(name):
        return None
    return failures.told(getattr(attributes, name))


def _attempts(attributes: Any, name: str) -> list[dict[str, Any]] | None:
    if name not in attributes.DESCRIPTOR.fields_by_name or not attributes.HasField(name):
        return None
    return failures.attempts(getattr(attributes, name)) or None


def _canceled(message: str) -> dict[str, Any]:
    return errors.canceled(message).to_wire()


def _summary(event: HistoryEvent) -> str | None:
    """What the command was labelled with: the script's `file:line`, or what its options say."""
    if not event.user_metadata.HasField("summary"):
        return None
    text = _value([event.user_metadata.summary])
    return text if isinstance(text, str) else None


def _value(protos: Any) -> Any:
    """A JSON value; None for anything else, and for what is too long."""
    payload: Payload | None = wire.from_proto(protos[0]) if protos else None
    if payload is None or payload.encoding != JSON or len(payload.data) > _MAX_RESULT:
        return None
    try:
        return payload.value()
    except Error:
        return None


def _without_none(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None}
