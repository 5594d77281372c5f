"""The command `call`, which runs a function of the registry as an activity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from temporalio.bridge.proto.activity_result import DoBackoff
from temporalio.bridge.proto.workflow_commands import (
    ActivityCancellationType,
    ScheduleActivity,
    ScheduleLocalActivity,
    WorkflowCommand,
)
from temporalio.exceptions import ApplicationError, RetryState

from runtime import errors, limits
from runtime.errors import Error
from runtime.lua.protocol import Command
from runtime.modules.calls import options_of
from runtime.modules.options import activity_options
from runtime.payload import Payload
from runtime.registry import ActivityEntry, TemporalActivity
from runtime.temporal import failures, sdk_options, wire
from runtime.temporal.workflow import foreign
from runtime.temporal.workflow.activity import Activity, Outcome
from runtime.temporal.workflow.recorded_choices import check_name, check_size, check_under_way, refuse, request_size
from runtime.temporal.workflow.run import Headers, Run

Options = Mapping[str, Any]
Function = ActivityEntry | TemporalActivity


def call(run: Run, command: Command) -> None:
    """Schedules the activity, or answers NOT_FOUND when no function of that id is one (a deploy may add it)."""
    seq, entry_id = _seq(command), command.data["id"]
    check_name(run, "the id of a function", entry_id, seq)
    function = run.host.activity(entry_id)
    if (function is None or run.may_have_been_refused) and run.refused(
        wire.UNKNOWN_MARKER.format(id=entry_id, seq=seq), lambda: function is None
    ):
        error = errors.not_deployed("activity", entry_id)
        entries = run.host.registry.entries.values()
        known = (entry.id for entry in entries if isinstance(entry, ActivityEntry) and entry.activity)
        error.message = f"activity {entry_id} not found in the registry{run.meant(seq, entry_id, known)}"
        error.stack = f"{command.at}: in call" if command.at else None
        raise error
    if type(function) is TemporalActivity or run.may_have_been_refused:
        foreign.refuse_unfit(run, function, command)
    check_size(run, f"arguments of {entry_id}", command.args, seq)
    callee = _callee(run, entry_id, function, command.data.get("options"))
    start = _local if callee.is_local else _remote
    run.outstanding[seq] = start(run, command, callee, run.call_headers(command.data)).cancel


@dataclass(frozen=True, slots=True)
class _Callee:
    """The part of a call that is the same for every call of a function with these options. `command` is copied, never changed."""

    options: Options
    is_local: bool
    queue: str | None
    command: WorkflowCommand
    is_foreign: bool = False


def _callee(run: Run, entry_id: str, function: Function | None, own: Options | None) -> _Callee:
    """`function` is None in a replay after the entry went away: its defaults then do not matter. `own`: options of this call."""
    if own:
        return _made(run, entry_id, function, own)
    key = entry_id, run.bundle, run.is_eager
    callee = run.host.callees.get(key)
    if not isinstance(callee, _Callee):
        callee = run.host.callees[key] = _made(run, entry_id, function, {})
    return callee


def _made(run: Run, entry_id: str, function: Function | None, own: Options) -> _Callee:
    meta = function.activity if isinstance(function, ActivityEntry) else None
    defaults = options_of(run.calls, entry_id, activity_options(function.options) if function is not None else {})
    chosen = {**defaults, **own}
    command = WorkflowCommand()
    if run.calls is not None:
        is_local = bool(run.calls.get(entry_id, {}).get("local"))
    else:
        is_local = meta is not None and meta.local
    if is_local:
        _fill(command.schedule_local_activity, entry_id, chosen)
        return _Callee(chosen, is_local, None, command)
    worker = meta.worker if meta is not None else foreign.place_of(function)
    queue = run.host.queue(chosen.get("task_queue") or worker)
    schedule = command.schedule_activity
    _fill(schedule, foreign.type_of(run, entry_id, function), chosen)
    sdk_options.put_span(schedule.schedule_to_start_timeout, chosen, "schedule_to_start_timeout")
    sdk_options.put_span(schedule.heartbeat_timeout, chosen, "heartbeat_timeout")
    schedule.do_not_eagerly_execute = bool(chosen.get("disable_eager_execution")) or not run.is_eager
    sdk_options.put_priority(schedule.priority, chosen)
    return _Callee(chosen, is_local, queue, command, isinstance(function, TemporalActivity))


def _fill(schedule: ScheduleActivity | ScheduleLocalActivity, type: str, chosen: Options) -> None:
    """What a call says whether its activity is local or not."""
    schedule.activity_type = type
    sdk_options.put_span(schedule.schedule_to_close_timeout, chosen, "schedule_to_close_timeout")
    sdk_options.put_span(schedule.start_to_close_timeout, chosen, "start_to_close_timeout", sdk_options.START_TO_CLOSE)
    sdk_options.put_retry_policy(schedule.retry_policy, chosen)
    if chosen.get("wait_for_cancellation"):
        schedule.cancellation_type = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED


def _remote(run: Run, command: Command, callee: _Callee, headers: Headers) -> Activity:
    entry_id, seq = command.data["id"], _seq(command)
    size = request_size(run, f"arguments of {entry_id}", seq, command.args, headers)
    check_under_way(run, "activities", len(run.activity_ids), seq)
    if len(run.activity_ids) >= limits.MAX_PENDING:
        refuse(run, "pending", seq, limits.too_many("activities"))
    id = _free_id(run, seq, callee.options.get("id"))
    run.activity_ids.add(id)

    def write(number: int, _: DoBackoff | None) -> None:
        emitted = _emit(run, command, callee)
        schedule = emitted.schedule_activity
        schedule.seq, schedule.activity_id = number, id
        schedule.task_queue = callee.queue or run.info.task_queue
        wire.put_headers(headers, schedule.headers)
        wire.put(command.args, schedule.arguments)

    def ended(outcome: Outcome) -> None:
        value = _value(outcome, elsewhere=callee.is_foreign)
        if not _is_canceled(value):  # one that is only asked to end may still be there
            run.activity_ids.discard(id)
        if callee.is_foreign or run.may_have_been_refused:
            value = foreign.judged(run, entry_id, value, seq)
        run.resolve(seq, value)

    return Activity(run, entry_id, id, write, ended, size=size, queue=callee.queue)


def _local(run: Run, command: Command, callee: _Callee, headers: Headers) -> Activity:
    """A local activity runs inside the workflow task: it has neither a queue nor a heartbeat, nor a priority."""
    entry_id, seq = command.data["id"], _seq(command)
    id = callee.options.get("id") or activity_id(run, seq)

    def write(number: int, backoff: DoBackoff | None) -> None:
        emitted = _emit(run, command, callee)
        schedule = emitted.schedule_local_activity
        schedule.seq, schedule.activity_id = number, id
        wire.put_headers(headers, schedule.headers)
        wire.put(command.args, schedule.arguments)
        if backoff is not None:
            schedule.attempt = backoff.attempt
            schedule.original_schedule_time.CopyFrom(backoff.original_schedule_time)

    def ended(outcome: Outcome) -> None:
        value = _value(outcome)
        if isinstance(value, Error) and not _is_canceled(value):
            value.details = {**(value.details or {}), **_place(id, callee.options, outcome)}
        run.resolve(seq, value)

    return Activity(run, entry_id, id, write, ended, size=0, is_local=True)


def _emit(run: Run, command: Command, callee: _Callee) -> WorkflowCommand:
    emitted = run.emit()
    emitted.CopyFrom(callee.command)
    summary = callee.options.get("summary") or command.at
    if summary:
        emitted.user_metadata.summary.CopyFrom(wire.summary(summary))
    return emitted


def _value(outcome: Outcome, *, elsewhere: bool = False) -> Payload | Error:
    return outcome if isinstance(outcome, Payload | Error) else failures.from_failure(outcome, elsewhere=elsewhere)


def _is_canceled(value: Payload | Error) -> bool:
    return isinstance(value, Error) and value.kind == errors.CANCELED


def _place(id: str, chosen: Options, failure: Outcome) -> dict[str, Any]:
    """What the failure of a local activity does not tell, as the server would have it: the SDK's core hands it over as it was raised."""
    policy = chosen.get("retry_policy") or {}
    if isinstance(failure, ApplicationError) and (
        failure.non_retryable or failure.type in (policy.get("non_retryable_error_types") or ())
    ):
        state = RetryState.NON_RETRYABLE_FAILURE
    else:
        state = RetryState.MAXIMUM_ATTEMPTS_REACHED if policy.get("maximum_attempts") else RetryState.TIMEOUT
    return {"_activity_id": id, "_retry_state": state.name}


def _free_id(run: Run, seq: int, wanted: str | None) -> str:
    """The server refuses an id that is in use, and the task would fail for ever: what is wanted is refused here, INVALID."""
    if wanted is not None:
        if wanted in run.activity_ids or wanted.startswith(wire.SYSTEM):
            raise errors.invalid(
                f'activity.id "{wanted}" is in use: another activity of this run has it, and may not have ended'
            )
        return wanted
    id = activity_id(run, seq)
    while id in run.activity_ids:
        id += "'"
    return id


def activity_id(run: Run, seq: int) -> str:
    """Unique over the whole chain of a run, because the idempotency key is made of it and of the chain's first run.

    A continued, retried or cron run would otherwise count from the start again, and its first call would be taken for
    a repetition of the first call of the run before.
    """
    info = run.info
    if info.original_execution_run_id == info.first_execution_run_id:
        return str(seq)
    return f"{info.original_execution_run_id[:8]}-{seq}"


def _seq(command: Command) -> int:
    assert command.seq is not None
    return command.seq
