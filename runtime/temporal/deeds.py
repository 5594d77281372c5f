"""What a run did, command by command, in one form: as its history has it, and as a replayed script does it.

A deed is compared by what it is (`what`) and then by its values (`fields`). The server completes and clamps what it records, so
the fields of a command are brought to the form that the server would have given them.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Payload, RetryPolicy
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.sdk.v1 import UserMetadata

from runtime.durations import text as duration_text
from runtime.errors import LIMIT_EXCEEDED
from runtime.lua.protocol import Command
from runtime.process.pids import Pid
from runtime.temporal import wire

_POSITION = re.compile(r"^.+:\d+$")
#: The upsert that goes with a patch marker; the SDK's core makes both of one command.
_CHANGE_VERSION = "TemporalChangeVersion"


@dataclass(frozen=True, slots=True)
class Deed:
    """`at` is the script's ``file:line``, None when it is not known, then `after` that of the deed before; `event` the id of the
    event that records it.

    A `soft` one (a cancel, an answer) may have nothing to match it: whether Temporal records it depends on what else happened.
    """

    what: tuple[str, ...]
    text: str
    at: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    event: int | None = None
    soft: bool = False
    after: str | None = None


# Of a history ---------------------------------------------------------------------------------------------------------


def of_history(events: Sequence[HistoryEvent]) -> dict[int, list[Deed]]:
    """The deeds of each completed workflow task, by the id of the event that the task began with."""
    begun = {event.event_id: event for event in events}
    tasks: dict[int, list[Deed]] = {}
    deeds: list[Deed] = []
    for event in events:
        if event.HasField("workflow_task_completed_event_attributes"):
            deeds = tasks.setdefault(event.workflow_task_completed_event_attributes.started_event_id, [])
            continue
        name = event.WhichOneof("attributes")
        read = _EVENTS.get(name.removesuffix("_event_attributes")) if name else None
        if name and read is not None:
            made = read(getattr(event, name), begun)
            if made is not None:
                at = _position(event.user_metadata) or made.at
                deeds.append(Deed(made.what, made.text, at, made.fields, event.event_id, made.soft))
    return tasks


Events = Mapping[int, HistoryEvent]


def _scheduled(a: Any, _: Events) -> Deed:
    fields = {"activity id": a.activity_id, "arguments": shown(a.input.payloads), **_spans(a), **_policy(a)}
    return Deed(("activity", a.activity_type.name), _call(a.activity_type.name), fields=fields)


def _timer_started(a: Any, _: Events) -> Deed:
    span = _span(a.start_to_fire_timeout)
    return Deed(("timer",), f"timer {span}", fields={"duration": span})


def _timer_canceled(a: Any, begun: Events) -> Deed:
    started = begun[a.started_event_id]
    span = _span(started.timer_started_event_attributes.start_to_fire_timeout)
    return Deed(("cancel timer", a.timer_id), f"cancel of timer {span}", _position(started.user_metadata), soft=True)


def _activity_cancel(a: Any, begun: Events) -> Deed:
    scheduled = begun[a.scheduled_event_id]
    activity = scheduled.activity_task_scheduled_event_attributes
    what = ("cancel activity", activity.activity_id)
    return Deed(what, f"cancel of {_call(activity.activity_type.name)}", _position(scheduled.user_metadata), soft=True)


def _child_started(a: Any, _: Events) -> Deed:
    return _child(a, a.input.payloads)


def _signaled(a: Any, _: Events) -> Deed:
    return _signal(a.workflow_execution.workflow_id, a.signal_name, a.input.payloads)


def _cancel_requested(a: Any, _: Events) -> Deed:
    return _cancellation(a.workflow_execution.workflow_id)


def _marker(a: Any, _: Events) -> Deed | None:
    if a.marker_name != wire.SDK_PATCH:
        return None  # of a local activity: when it is recorded depends on when it ended
    payloads = a.details[wire.SDK_PATCH_DATA].payloads
    return _patch(str(json.loads(payloads[0].data).get("id", ""))) if payloads else None


def _upserted(a: Any, _: Events) -> Deed | None:
    found = a.search_attributes.indexed_fields
    return None if set(found) == {_CHANGE_VERSION} else _attributes("search attributes", found)


def _memo(a: Any, _: Events) -> Deed:
    return _attributes("memo", a.upserted_memo.fields)


def _completed(a: Any, _: Events) -> Deed:
    return _end("completed", "the run's completion", {"result": shown(a.result.payloads)})


def _failed(a: Any, _: Events) -> Deed:
    return _failure(a)


def _canceled(_a: Any, _: Events) -> Deed:
    return _end("canceled", "the run's end as canceled", {})


def _continued(a: Any, _: Events) -> Deed:
    return _end("continued", "continue-as-new", {"type": a.workflow_type.name, "arguments": shown(a.input.payloads)})


def _updated(a: Any, begun: Events) -> Deed:
    accepted = begun[a.accepted_event_id].workflow_execution_update_accepted_event_attributes
    fields = {"result": shown(a.outcome.success.payloads)} if a.outcome.HasField("success") else {}
    return _update(accepted.protocol_instance_id, fields)


_EVENTS: Mapping[str, Callable[[Any, Events], Deed | None]] = {
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


# Of a script ----------------------------------------------------------------------------------------------------------


class Commands:
    """Commands as the SDK hands them to its core, as deeds. `heard` is what the kernel asked for, which has the lines."""

    def __init__(self, heard: Sequence[Command], run_timeout: timedelta) -> None:
        self._lines = _Lines(heard)
        self._run_timeout = run_timeout
        self._begun: dict[tuple[str, int], Deed] = {}
        self._last: str | None = None

    def of_task(self, commands: Sequence[Any]) -> list[Deed]:
        """The deeds of one workflow task. What is begun and given up in the same task never reaches history."""
        deeds: dict[tuple[str, int], Deed] = {}
        for number, command in enumerate(commands):
            variant = command.WhichOneof("variant")
            given = getattr(command, variant)
            ended = _CANCELS.get(variant)
            if ended is not None:
                key = (ended, _seq(given))
                if deeds.pop(key, None) is None and key in self._begun and ended in _CANCELED_BY_EVENT:
                    deeds["", number] = self._cancel(ended, self._begun[key], key[1])
                continue
            read = _COMMANDS.get(variant)
            made = read(given, self) if read is not None else None
            if made is None:
                continue
            at = _position(command.user_metadata) or self._lines.of(made, given)
            deed = Deed(made.what, made.text, at, made.fields, None, made.soft, self._last)
            self._last = at or self._last
            key = (variant, given.seq) if hasattr(given, "seq") else ("", number)
            deeds[key] = self._begun[key] = deed
        return list(deeds.values())

    def _cancel(self, variant: str, begun: Deed, seq: int) -> Deed:
        if variant == "start_child_workflow_execution":
            return _cancellation(begun.fields["workflow id"], begun.at)
        kind, named = ("timer", str(seq)) if variant == "start_timer" else ("activity", begun.fields["activity id"])
        return Deed((f"cancel {kind}", named), f"cancel of {begun.text}", begun.at, soft=True)

    def activity(self, a: Any) -> Deed:
        spans = _clamped(a, self._run_timeout)
        fields = {"activity id": a.activity_id, "arguments": shown(a.arguments), **spans, **_policy(a)}
        return Deed(("activity", a.activity_type), _call(a.activity_type), fields=fields)


def _seq(given: Any) -> int:
    seq: int = given.child_workflow_seq if hasattr(given, "child_workflow_seq") else given.seq
    return seq


class _Lines:
    """Where the script asked for what the SDK's commands do not say it of."""

    def __init__(self, heard: Sequence[Command]) -> None:
        self._activities: dict[str, str | None] = {}
        self._children: dict[str, str | None] = {}
        self._others: dict[tuple[str, ...], list[str | None]] = defaultdict(list)
        for command in heard:
            options = command.data.get("options") or {}
            if command.op == "call":
                self._activities[str(options.get("id") or command.seq)] = command.at
            elif command.op in ("spawn", "exec"):
                self._children[str(options.get("id") or command.data.get("name"))] = command.at
            elif command.op in ("send", "cancel_process"):
                to = Pid.parse(command.data["to"])
                self._others[command.op, to.id if to else "", command.data.get("topic", "")].append(command.at)
            elif command.op == "attrs":
                self._others["attrs",].append(command.at)

    def of(self, deed: Deed, given: Any) -> str | None:
        match deed.what[0]:
            case "activity":
                return self._activities.get(given.activity_id) or self._activities.get(given.activity_id.split("-")[-1])
            case "child":
                return self._children.get(given.workflow_id)
            case "signal":
                return self._next("send", deed.what[1], deed.what[2])
            case "cancel workflow":
                return self._next("cancel_process", deed.what[1], "")
            case "search attributes" | "memo":
                return next(iter(self._others["attrs",]), None)
        return None

    def _next(self, *key: str) -> str | None:
        lines = self._others[key]
        return lines.pop(0) if lines else None


def _start_timer(a: Any, _: Commands) -> Deed:
    span = _span(a.start_to_fire_timeout)
    return Deed(("timer",), f"timer {span}", fields={"duration": span})


def _start_child(a: Any, _: Commands) -> Deed:
    return _child(a, a.input)


def _respond(a: Any, _: Commands) -> Deed | None:
    """An answer; that an update was accepted is no deed of the script."""
    if a.WhichOneof("response") != "completed":
        return None
    return _update(a.protocol_instance_id, {"result": shown([a.completed])})


_COMMANDS: Mapping[str, Callable[[Any, Commands], Deed | None]] = {
    "schedule_activity": lambda a, commands: commands.activity(a),
    "start_timer": _start_timer,
    "start_child_workflow_execution": _start_child,
    "signal_external_workflow_execution": lambda a, _: _signal(
        a.workflow_execution.workflow_id or a.child_workflow_id, a.signal_name, a.args
    ),
    "request_cancel_external_workflow_execution": lambda a, _: _cancellation(a.workflow_execution.workflow_id),
    "set_patch_marker": lambda a, _: _patch(a.patch_id),
    "upsert_workflow_search_attributes": lambda a, _: _attributes(
        "search attributes", a.search_attributes.indexed_fields
    ),
    "modify_workflow_properties": lambda a, _: _attributes("memo", a.upserted_memo.fields),
    "complete_workflow_execution": lambda a, _: _end(
        "completed", "the run's completion", {"result": shown([a.result] if a.HasField("result") else [])}
    ),
    "fail_workflow_execution": lambda a, _: _failure(a),
    "cancel_workflow_execution": lambda _a, _: _end("canceled", "the run's end as canceled", {}),
    "continue_as_new_workflow_execution": lambda a, _: _end(
        "continued", "continue-as-new", {"type": a.workflow_type, "arguments": shown(a.arguments)}
    ),
    "update_response": _respond,
}

#: Commands that give another one up, with what began that one.
_CANCELS = {
    "cancel_timer": "start_timer",
    "request_cancel_activity": "schedule_activity",
    "cancel_child_workflow_execution": "start_child_workflow_execution",
    "cancel_signal_workflow": "signal_external_workflow_execution",
}
_CANCELED_BY_EVENT = ("start_timer", "schedule_activity", "start_child_workflow_execution")


# Of both --------------------------------------------------------------------------------------------------------------


def _call(activity: str) -> str:
    return f"activity {activity}" if activity.startswith(wire.SYSTEM) else f"funcs.call {activity}"


def _child(a: Any, payloads: Sequence[Payload]) -> Deed:
    name = a.workflow_type if isinstance(a.workflow_type, str) else a.workflow_type.name
    fields = {
        "workflow id": a.workflow_id,
        "arguments": shown(payloads),
        "parent close policy": str(a.parent_close_policy),
        "cron schedule": a.cron_schedule,
    }
    return Deed(("child", name), f"child workflow {name}", fields=fields)


def _signal(workflow_id: str, name: str, payloads: Sequence[Payload]) -> Deed:
    text = f'process.send of "{name}" to {workflow_id}'
    return Deed(("signal", workflow_id, name), text, fields={"arguments": shown(payloads)})


def _cancellation(workflow_id: str, at: str | None = None) -> Deed:
    return Deed(("cancel workflow", workflow_id), f"cancellation of workflow {workflow_id}", at, soft=True)


def _patch(name: str) -> Deed:
    return Deed(("version", name), f"version marker {name}")


def _attributes(kind: str, values: Mapping[str, Payload]) -> Deed:
    fields = {name: shown([value]) for name, value in sorted(values.items())}
    return Deed((kind,), f"workflow.attrs of {kind} {', '.join(fields)}", fields={"names": ", ".join(fields), **fields})


def _update(instance: str, fields: Mapping[str, str]) -> Deed:
    return Deed(("update", instance), f"answer to update {instance}", fields=fields, soft=True)


def _failure(a: Any) -> Deed:
    """A spent limit is told otherwise: a replay has twice the budget, so it ends elsewhere."""
    failure = a.failure
    spent = failure.application_failure_info.type == LIMIT_EXCEEDED
    return _end("failed", "the run's failure", {} if spent else {"error": failure.message})


def _end(how: str, text: str, fields: Mapping[str, str]) -> Deed:
    return Deed((how,), text, fields=fields)


def shown(payloads: Sequence[Payload]) -> str:
    """Values as text."""
    return ", ".join(payload.data.decode("utf-8", "backslashreplace") for payload in payloads)


def _position(metadata: UserMetadata) -> str | None:
    """The ``file:line`` that a summary holds; one that the script gave itself is none."""
    try:
        text = json.loads(metadata.summary.data)
    except ValueError:
        return None
    return text if isinstance(text, str) and _POSITION.match(text) else None


def _span(duration: Duration) -> str:
    return duration_text(duration.ToTimedelta())


_SPANS = ("start_to_close_timeout", "schedule_to_close_timeout", "schedule_to_start_timeout", "heartbeat_timeout")


def _spans(a: Any) -> dict[str, str]:
    return {name: _span(getattr(a, name)) for name in _SPANS}


def _clamped(a: Any, run_timeout: timedelta) -> dict[str, str]:
    """The timeouts that the script set, as the server records them: none is longer than those it is part of."""
    given = {name: getattr(a, name).ToTimedelta() for name in _SPANS}
    whole = _least(given["schedule_to_close_timeout"], run_timeout)
    start_to_close = _least(given["start_to_close_timeout"], whole)
    found = {
        "start_to_close_timeout": start_to_close,
        "schedule_to_close_timeout": whole,
        "schedule_to_start_timeout": _least(given["schedule_to_start_timeout"], whole),
        "heartbeat_timeout": _least(given["heartbeat_timeout"], start_to_close),
    }
    return {name: duration_text(span) for name, span in found.items() if given[name]}


def _least(span: timedelta, bound: timedelta) -> timedelta:
    return min(span, bound) if span and bound else span or bound


def _policy(a: Any) -> dict[str, str]:
    """The retry policy, with the server's defaults for what it leaves open; nothing when there is none."""
    if not a.HasField("retry_policy"):
        return {}
    policy: RetryPolicy = a.retry_policy
    first = policy.initial_interval.ToTimedelta() or timedelta(seconds=1)
    found = {
        "initial interval": duration_text(first),
        "backoff coefficient": f"{policy.backoff_coefficient or 2.0:g}",
        "maximum interval": duration_text(policy.maximum_interval.ToTimedelta() or first * 100),
        "maximum attempts": str(policy.maximum_attempts),
        "non-retryable error types": ", ".join(policy.non_retryable_error_types),
    }
    return {f"retry policy: {name}": value for name, value in found.items()}
