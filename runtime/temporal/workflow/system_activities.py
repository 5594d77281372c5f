"""The system activities of a run, which do what only a client can do, on the run's own queue."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from temporalio.bridge.proto.activity_result import DoBackoff
from temporalio.bridge.proto.workflow_commands import ScheduleActivity

from runtime import limits
from runtime.payload import JSON, Payload
from runtime.temporal import wire
from runtime.temporal.workflow.activity import Activity, Outcome
from runtime.temporal.workflow.run import Run

Then = Callable[[Outcome], None]

#: Seconds: of an attempt; that one waits for a run; that a message may be on its way, and a closing run waits for it.
_QUICK, _LONG, SEND_GRACE = 30, 3650 * 24 * 3600, 30
#: Seconds between two heartbeats, and of an attempt at a node, which is there or is not.
_HEARTBEAT, _AT_NODE = 60, 10
#: Seconds of an attempt to publish, which waits for the store for one of them.
_PUBLISHING = 10


def terminate(run: Run, target: str, reason: str, then: Then) -> Activity:
    return _start(run, wire.TERMINATE, _texts(target, reason), f"terminate {target}", then, _within(_QUICK))


def cancel(run: Run, target: str, reason: str, then: Then) -> Activity:
    return _start(run, wire.CANCEL, _texts(target, reason), f"cancel {target}", then, _within(_QUICK))


def _three_times(schedule: ScheduleActivity) -> None:
    _within(_QUICK)(schedule)
    policy = schedule.retry_policy
    policy.initial_interval.seconds, policy.maximum_interval.seconds = 1, 100
    policy.backoff_coefficient, policy.maximum_attempts = 2.0, 3


def how_ended(run: Run, target: str, then: Then) -> Activity:
    """In words, how the newest run of a workflow has ended; no words when it has not, or never was."""
    return _start(run, wire.HOW_ENDED, _texts(target), f"look for {target}", then, _three_times)


def find_run(run: Run, target: str, then: Then, *, is_open: bool = False) -> Activity:
    """The id of the newest run of a workflow; with `is_open` it fails when that run has closed."""
    args = _texts(target, is_open) if is_open else _texts(target)
    return _start(run, wire.FIND_RUN, args, f"find {target}", then, _three_times)


def await_run(run: Run, target: str, then: Then) -> Activity:
    """Waits for a run that is not a child of this one. It heartbeats, so a lost worker is noticed and another takes over."""

    def fill(schedule: ScheduleActivity) -> None:
        _within(_LONG)(schedule)
        schedule.heartbeat_timeout.seconds = _HEARTBEAT

    return _start(run, wire.AWAIT_RUN, _texts(target), f"wait for {target}", then, fill)


def deliver(run: Run, node: str, payloads: Sequence[Payload], at: str | None, then: Then) -> Activity:
    """Messages to a process of that node, on the node's own queue."""
    return _at_node(run, node, wire.DELIVER, payloads, at, then)


def end_process(run: Run, node: str, activity: str, wanted: Mapping[str, str], at: str | None, then: Then) -> Activity:
    """Cancels or terminates a process of that node, on the node's own queue."""
    return _at_node(run, node, activity, _texts(wanted), at, then)


def publish(run: Run, batch: Payload, then: Then) -> Activity:
    """Inside the workflow task: history has its marker only, and that it is tried again costs nothing."""
    run.system_activities += 1
    id = f"{wire.SYSTEM}{run.system_activities}"

    def write(number: int, backoff: DoBackoff | None) -> None:
        schedule = run.emit().schedule_local_activity
        schedule.seq, schedule.activity_id, schedule.activity_type = number, id, wire.PUBLISH
        schedule.start_to_close_timeout.seconds = _PUBLISHING
        schedule.schedule_to_close_timeout.seconds = SEND_GRACE
        wire.put([batch], schedule.arguments)
        if backoff is not None:
            schedule.attempt = backoff.attempt
            schedule.original_schedule_time.CopyFrom(backoff.original_schedule_time)

    return Activity(run, wire.PUBLISH, id, write, then, size=0, is_local=True)


def _at_node(run: Run, node: str, activity: str, args: Sequence[Payload], at: str | None, then: Then) -> Activity:
    headers = wire.headers(sender=run.pid)

    def fill(schedule: ScheduleActivity) -> None:
        _within(_AT_NODE)(schedule)
        schedule.schedule_to_close_timeout.seconds = SEND_GRACE
        wire.put_headers(headers, schedule.headers)

    return _start(run, activity, args, at, then, fill, queue=wire.NODE_QUEUE.format(node=node))


def _within(seconds: int) -> Callable[[ScheduleActivity], None]:
    def fill(schedule: ScheduleActivity) -> None:
        schedule.start_to_close_timeout.seconds = seconds

    return fill


def _texts(*values: Any) -> list[Payload]:
    """Arguments as the SDK writes them."""
    return [Payload(JSON, json.dumps(value, separators=(",", ":"), sort_keys=True).encode()) for value in values]


def _start(
    run: Run,
    type: str,
    args: Sequence[Payload],
    summary: str | None,
    then: Then,
    fill: Callable[[ScheduleActivity], None],
    *,
    queue: str | None = None,
) -> Activity:
    """Numbered by itself: numbers of the script's calls would meet them, and the server refuses an id that is in use."""
    run.system_activities += 1
    id = f"{wire.SYSTEM}{run.system_activities}"

    def write(number: int, _: DoBackoff | None) -> None:
        emitted = run.emit()
        schedule = emitted.schedule_activity
        schedule.seq, schedule.activity_id, schedule.activity_type = number, id, type
        schedule.task_queue = queue or run.info.task_queue
        schedule.do_not_eagerly_execute = not run.is_eager
        wire.put(args, schedule.arguments)
        fill(schedule)
        if summary:
            emitted.user_metadata.summary.CopyFrom(wire.summary(summary[:200]))

    return Activity(run, type, id, write, then, size=limits.weight(args, run.host.stored), queue=queue)
