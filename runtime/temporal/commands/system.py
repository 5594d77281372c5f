"""System activities as a workflow sees them: what only a client can do, done by an activity on the run's own queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy

from runtime.payload import Payload
from runtime.temporal import wire
from runtime.temporal.run import Run

_QUICK = timedelta(seconds=30)
_ATTEMPT = timedelta(minutes=1)
#: How long a message may be on its way; a closing run waits no longer either.
SEND_GRACE = timedelta(seconds=30)


def terminate(run: Run, target: str, reason: str) -> workflow.ActivityHandle[None]:
    return workflow.start_activity(
        wire.TERMINATE,
        args=[target, reason],
        result_type=type(None),
        start_to_close_timeout=_QUICK,
        summary=f"terminate {target}"[:200],
    )


def cancel(run: Run, target: str, reason: str) -> workflow.ActivityHandle[None]:
    return workflow.start_activity(
        wire.CANCEL,
        args=[target, reason],
        result_type=type(None),
        start_to_close_timeout=_QUICK,
        summary=f"cancel {target}"[:200],
    )


def find_run(target: str, *, is_open: bool = False) -> workflow.ActivityHandle[str]:
    """The id of the newest run of a workflow; with `is_open` it fails when that run has closed."""
    return workflow.start_activity(
        wire.FIND_RUN,
        args=[target, is_open] if is_open else [target],
        result_type=str,
        start_to_close_timeout=_QUICK,
        retry_policy=RetryPolicy(maximum_attempts=3),
        summary=f"find {target}"[:200],
    )


def await_run(run: Run, target: str) -> workflow.ActivityHandle[RawValue]:
    """Waits for a run that is not a child of this one. It heartbeats, so a lost worker is noticed and another takes over."""
    return workflow.start_activity(
        wire.AWAIT_RUN,
        args=[target],
        result_type=RawValue,
        start_to_close_timeout=timedelta(days=3650),
        heartbeat_timeout=_ATTEMPT,
        summary=f"wait for {target}"[:200],
    )


def deliver(node: str, payloads: Sequence[Payload], at: str | None) -> workflow.ActivityHandle[None]:
    """Messages to a process of that node, on the node's own queue."""
    return workflow.start_activity(
        wire.DELIVER,
        args=wire.raws(payloads),
        result_type=type(None),
        task_queue=wire.NODE_QUEUE.format(node=node),
        schedule_to_close_timeout=SEND_GRACE,
        start_to_close_timeout=timedelta(seconds=10),
        summary=at,
    )


def end_process(node: str, activity: str, wanted: Mapping[str, str], at: str | None) -> workflow.ActivityHandle[None]:
    """Cancels or terminates a process of that node, on the node's own queue."""
    return workflow.start_activity(
        activity,
        args=[wanted],
        result_type=type(None),
        task_queue=wire.NODE_QUEUE.format(node=node),
        schedule_to_close_timeout=SEND_GRACE,
        start_to_close_timeout=timedelta(seconds=10),
        summary=at,
    )
