"""`call`: a function of the registry as an activity."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError, RetryState
from temporalio.workflow import ActivityCancellationType

from runtime import errors
from runtime.errors import Error
from runtime.lua.protocol import Command
from runtime.modules.calls import options_of
from runtime.modules.options import activity_options
from runtime.payload import Payload
from runtime.temporal import decisions, failures, options, wire
from runtime.temporal.headers import outgoing, without_eager_execution
from runtime.temporal.run import Run


def call(run: Run, command: Command) -> None:
    """Schedules the activity, or answers NOT_FOUND when no function of that id is one (a deploy may add it)."""
    seq, entry_id = _seq(command), command.data["id"]
    marker = wire.UNKNOWN_MARKER.format(id=entry_id, seq=seq)
    if decisions.refused(marker, lambda: run.host.activity(entry_id) is None):
        text = f"activity {entry_id} not found in the registry"
        stack = f"{command.at}: in call" if command.at else None
        raise Error(errors.NOT_FOUND, text, retryable=True, details={"id": entry_id}, stack=stack)
    decisions.check_size(f"arguments of {entry_id}", command.args, run.host.stored, str(seq))
    handle, where = _schedule(run, command, entry_id)
    run.pending[seq] = handle.cancel
    handle.add_done_callback(lambda task: _ended(run, seq, task, where))


@dataclass(frozen=True, slots=True)
class _Local:
    """What the failure of a local activity does not tell: the SDK's core hands it over as it was raised."""

    id: str
    options: Mapping[str, Any]

    def place(self, failure: BaseException | None) -> dict[str, Any]:
        """As the server would have it."""
        policy = self.options.get("retry_policy") or {}
        if isinstance(failure, ApplicationError) and (
            failure.non_retryable or failure.type in (policy.get("non_retryable_error_types") or ())
        ):
            state = RetryState.NON_RETRYABLE_FAILURE
        else:
            state = RetryState.MAXIMUM_ATTEMPTS_REACHED if policy.get("maximum_attempts") else RetryState.TIMEOUT
        return {"_activity_id": self.id, "_retry_state": state.name}


def _ended(run: Run, seq: int, task: asyncio.Task[RawValue], where: _Local | str) -> None:
    """`where`: a local activity, or the id of one that the server knows."""
    value = _outcome(task)
    canceled = isinstance(value, Error) and value.kind == errors.CANCELED
    if isinstance(where, str):
        if not canceled:  # one that is only asked to end may still be there
            run.activity_ids.discard(where)
    elif isinstance(value, Error) and not canceled:
        value.details = {**(value.details or {}), **where.place(task.exception())}
    if value is not None:
        run.resolve(seq, value)


def _outcome(task: asyncio.Task[RawValue]) -> Payload | Error | None:
    """How a task of the SDK ended; None while the run is being evicted, when nothing is true."""
    if task.cancelled():
        return Error(errors.CANCELED, "activity canceled", retryable=False)
    failure = task.exception()
    if failure is None:
        return wire.unraw(task.result())
    return failures.from_failure(failure) if isinstance(failure, Exception) else None


def _schedule(run: Run, command: Command, entry_id: str) -> tuple[workflow.ActivityHandle[RawValue], _Local | str]:
    function = run.host.activity(
        entry_id
    )  # None in a replay after the entry went away: its defaults then do not matter
    own = activity_options(function.options) if function is not None else {}
    defaults = options_of(run.calls, entry_id, own)
    chosen: Mapping[str, Any] = {**defaults, **command.data.get("options", {})}
    meta = function.activity if function is not None else None
    headers = wire.headers(
        context=command.data.get("ctx") or run.context,
        principal=run.principal.changed_by(command.data),
        sender=run.pid,
        chain=run.info.first_execution_run_id,
    )
    with outgoing(headers):
        is_local = meta is not None and meta.local if run.calls is None else run.calls.get(entry_id, {}).get("local")
        if is_local:
            local = _Local(chosen.get("id") or activity_id(run, _seq(command)), chosen)
            return _local(command, entry_id, local), local
        queue = chosen.get("task_queue") or (meta.worker if meta is not None else None)
        id = _free_id(run, _seq(command), chosen.get("id"))
        with without_eager_execution() if chosen.get("disable_eager_execution") else nullcontext():
            handle = _remote(command, entry_id, id, chosen, run.host.queue(queue))
        run.activity_ids.add(id)
        return handle, id


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


def _remote(
    command: Command, entry_id: str, id: str, chosen: Mapping[str, Any], queue: str | None
) -> workflow.ActivityHandle[RawValue]:
    wait = chosen.get("wait_for_cancellation")
    return workflow.start_activity(
        entry_id,
        args=wire.raws(command.args),
        result_type=RawValue,
        task_queue=queue,
        activity_id=id,
        schedule_to_close_timeout=options.span(chosen, "schedule_to_close_timeout"),
        schedule_to_start_timeout=options.span(chosen, "schedule_to_start_timeout"),
        start_to_close_timeout=options.span(chosen, "start_to_close_timeout") or options.DEFAULT_START_TO_CLOSE,
        heartbeat_timeout=options.span(chosen, "heartbeat_timeout"),
        retry_policy=options.retry_policy(chosen),
        cancellation_type=_WAIT if wait else _TRY,
        summary=chosen.get("summary") or command.at,
        priority=options.priority(chosen),
    )


def _local(command: Command, entry_id: str, local: _Local) -> workflow.ActivityHandle[RawValue]:
    """A local activity runs inside the workflow task: it has neither a queue nor a heartbeat, nor a priority."""
    chosen = local.options
    return workflow.start_local_activity(
        entry_id,
        args=wire.raws(command.args),
        result_type=RawValue,
        activity_id=local.id,
        schedule_to_close_timeout=options.span(chosen, "schedule_to_close_timeout"),
        schedule_to_start_timeout=options.span(chosen, "schedule_to_start_timeout"),
        start_to_close_timeout=options.span(chosen, "start_to_close_timeout") or options.DEFAULT_START_TO_CLOSE,
        retry_policy=options.retry_policy(chosen),
        cancellation_type=_WAIT if chosen.get("wait_for_cancellation") else _TRY,
        summary=chosen.get("summary") or command.at,
    )


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


_WAIT = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
_TRY = ActivityCancellationType.TRY_CANCEL
