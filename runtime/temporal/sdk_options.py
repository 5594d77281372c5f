"""The translation of normalised option tables (`runtime.modules.options`) into the SDK's own types."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Priority as PriorityProto
from temporalio.api.common.v1 import RetryPolicy as PolicyProto
from temporalio.common import Priority, RetryPolicy, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.workflow import ParentClosePolicy

Options = Mapping[str, Any]

#: Milliseconds that an attempt of an activity may take where nobody says.
START_TO_CLOSE = 10 * 60 * 1000

CONFLICT = {
    "fail": WorkflowIDConflictPolicy.FAIL,
    "use_existing": WorkflowIDConflictPolicy.USE_EXISTING,
    "terminate_existing": WorkflowIDConflictPolicy.TERMINATE_EXISTING,
}
REUSE = {
    "allow_duplicate": WorkflowIDReusePolicy.ALLOW_DUPLICATE,
    "allow_duplicate_failed_only": WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
    "reject_duplicate": WorkflowIDReusePolicy.REJECT_DUPLICATE,
}
PARENT_CLOSE = {
    "terminate": ParentClosePolicy.TERMINATE,
    "abandon": ParentClosePolicy.ABANDON,
    "request_cancel": ParentClosePolicy.REQUEST_CANCEL,
}


def span(options: Options, name: str) -> timedelta | None:
    """A duration option (milliseconds), None when it is not given."""
    value = options.get(name)
    return None if value is None else timedelta(milliseconds=value)


def retry_policy(options: Options) -> RetryPolicy | None:
    policy = options.get("retry_policy")
    if not policy:
        return None
    return RetryPolicy(
        initial_interval=span(policy, "initial_interval") or timedelta(seconds=1),
        backoff_coefficient=policy.get("backoff_coefficient", 2.0),
        maximum_interval=span(policy, "maximum_interval"),
        maximum_attempts=policy.get("maximum_attempts", 0),
        non_retryable_error_types=policy.get("non_retryable_error_types"),
    )


def priority(options: Options) -> Priority:
    chosen = options.get("priority") or {}
    return Priority(
        priority_key=chosen.get("priority_key"),
        fairness_key=chosen.get("fairness_key"),
        fairness_weight=chosen.get("fairness_weight"),
    )


def put_span(field: Duration, options: Options, name: str, default: int | None = None) -> None:
    """A duration option in a command of the SDK's core; a field that nobody sets stays out of it."""
    value = options.get(name)
    if not value:
        value = default
    if value:
        field.FromMilliseconds(value)


def put_retry_policy(field: PolicyProto, options: Options) -> None:
    policy = retry_policy(options)
    if policy is not None:
        policy.apply_to_proto(field)


def put_priority(field: PriorityProto, options: Options) -> None:
    chosen = options.get("priority")
    if not chosen:
        return
    checked = priority(options)
    field.priority_key = checked.priority_key or 0
    if checked.fairness_key is not None:
        field.fairness_key = checked.fairness_key
    if checked.fairness_weight is not None:
        field.fairness_weight = checked.fairness_weight


def conflict(options: Options, *, named: bool) -> str:
    """What to do when a run of that id is open: what the options say, else by whether the starter chose the id."""
    if options.get("execution_error_when_already_started"):
        return "fail"
    chosen: str = options.get("id_conflict_policy") or ("use_existing" if named else "fail")
    return chosen


def reuse(options: Options) -> WorkflowIDReusePolicy:
    return REUSE[options.get("id_reuse_policy", "allow_duplicate")]
