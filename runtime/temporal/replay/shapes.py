"""The form in which the commands of a history and those of a replayed script are compared: what a command is, then its values.

The server completes and clamps what it records, so the fields of a command are brought to the form that the server would have
given them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Payload, RetryPolicy
from temporalio.api.sdk.v1 import UserMetadata

from runtime.durations import text as duration_text
from runtime.errors import LIMIT_EXCEEDED
from runtime.temporal import wire

_POSITION = re.compile(r"^.+:\d+$")


@dataclass(frozen=True, slots=True)
class CommandShape:
    """A command in the form in which it is compared. `at` is the script's ``file:line``, None when it is not known, then `after` that of the command before; `event` the id of the
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


def activity_text(activity: str) -> str:
    return f"activity {activity}" if activity.startswith(wire.SYSTEM) else f"funcs.call {activity}"


def child(a: Any, payloads: Sequence[Payload]) -> CommandShape:
    name = a.workflow_type if isinstance(a.workflow_type, str) else a.workflow_type.name
    fields = {
        "workflow id": a.workflow_id,
        "arguments": shown(payloads),
        "parent close policy": str(a.parent_close_policy),
        "cron schedule": a.cron_schedule,
    }
    return CommandShape(("child", name), f"child workflow {name}", fields=fields)


def signal(workflow_id: str, name: str, payloads: Sequence[Payload]) -> CommandShape:
    text = f'process.send of "{name}" to {workflow_id}'
    return CommandShape(("signal", workflow_id, name), text, fields={"arguments": shown(payloads)})


def cancellation(workflow_id: str, at: str | None = None) -> CommandShape:
    return CommandShape(("cancel workflow", workflow_id), f"cancellation of workflow {workflow_id}", at, soft=True)


def patch(name: str) -> CommandShape:
    return CommandShape(("version", name), f"version marker {name}")


def attributes(kind: str, values: Mapping[str, Payload]) -> CommandShape:
    fields = {name: shown([value]) for name, value in sorted(values.items())}
    return CommandShape(
        (kind,), f"workflow.attrs of {kind} {', '.join(fields)}", fields={"names": ", ".join(fields), **fields}
    )


def update(instance: str, fields: Mapping[str, str]) -> CommandShape:
    return CommandShape(("update", instance), f"answer to update {instance}", fields=fields, soft=True)


def failure(a: Any) -> CommandShape:
    """A spent limit is told otherwise: a replay has twice the budget, so it ends elsewhere."""
    failure = a.failure
    spent = failure.application_failure_info.type == LIMIT_EXCEEDED
    return end("failed", "the run's failure", {} if spent else {"error": failure.message})


def end(how: str, text: str, fields: Mapping[str, str]) -> CommandShape:
    return CommandShape((how,), text, fields=fields)


def shown(payloads: Sequence[Payload]) -> str:
    """Values as text."""
    return ", ".join(payload.data.decode("utf-8", "backslashreplace") for payload in payloads)


def position(metadata: UserMetadata) -> str | None:
    """The ``file:line`` that a summary holds; one that the script gave itself is none."""
    try:
        text = json.loads(metadata.summary.data)
    except ValueError:
        return None
    return text if isinstance(text, str) and _POSITION.match(text) else None


def span(duration: Duration) -> str:
    return duration_text(duration.ToTimedelta())


_SPANS = ("start_to_close_timeout", "schedule_to_close_timeout", "schedule_to_start_timeout", "heartbeat_timeout")


def spans(a: Any) -> dict[str, str]:
    return {name: span(getattr(a, name)) for name in _SPANS}


def clamped_spans(a: Any, run_timeout: timedelta) -> dict[str, str]:
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


def retry_policy(a: Any) -> dict[str, str]:
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
