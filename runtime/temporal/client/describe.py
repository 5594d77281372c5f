"""The description of one run, as the runs API and the command line show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio.api.common.v1 import Payload as Proto
from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.common import RawValue
from temporalio.service import RPCError

from runtime.contracts import RunDescription
from runtime.errors import Error
from runtime.payload import JSON, Payload
from runtime.process.pids import Pid
from runtime.process.task_queues import worker_of
from runtime.registry import Registry
from runtime.temporal import failures, wire
from runtime.temporal.client import ends, rpc
from runtime.temporal.client.moments import moment
from runtime.temporal.client.unserved import Unserved, unserved_steps
from runtime.temporal.history import long_histories
from runtime.temporal.payloads import opened

Handle = WorkflowHandle[Any, RawValue]

#: A run whose worker is away does not answer questions; nobody should wait long to be told the rest.
_QUESTION = timedelta(seconds=2)
#: How far back to look for the reason a task keeps failing.
_LATEST = 10
#: Events that may come between two tasks, for what is only a hint.
_BETWEEN = 1000
#: From the first failed attempt on; the server counts a try that is under way as well.
_WEDGED_ATTEMPT = 2

_NOT_ASKED = (
    "details and stack were not asked for, since its worker may have to replay the long history for that: "
    "evermoon show --stack and ?stack=true ask all the same"
)

_RUNNING = WorkflowExecutionStatus.RUNNING.name
_FAILED = WorkflowExecutionStatus.FAILED
_OURS = frozenset({wire.MEMO_BUNDLE, wire.MEMO_START, wire.MEMO_BUDGET})
_STATES = {
    WorkflowExecutionStatus.RUNNING: "unknown",
    WorkflowExecutionStatus.COMPLETED: "completed",
    WorkflowExecutionStatus.CONTINUED_AS_NEW: "in_progress",
}


async def listed(registry: Registry, execution: WorkflowExecution) -> RunDescription:
    """What a listing shows of a run: no further question is asked, so how an open one is doing is unknown."""
    status = execution.status or WorkflowExecutionStatus.RUNNING
    memo = await _memo(execution)
    entry = registry.find_startable(execution.workflow_type)
    return RunDescription(
        id=execution.id,
        run_id=execution.run_id,
        pid=str(Pid(worker_of(registry, execution.task_queue), execution.id)),
        entry=entry.id if entry is not None else execution.workflow_type,
        status="TIMED_OUT" if wire.MEMO_BUDGET in memo and status == _FAILED else status.name,
        state=_STATES.get(status, "failed"),
        task_queue=execution.task_queue,
        started_at=moment(execution.start_time),
        closed_at=moment(execution.close_time),
        history_length=execution.history_length,
        bundle=memo.get(wire.MEMO_BUNDLE),
        memo={key: value for key, value in memo.items() if key not in _OURS},
    )


async def _memo(execution: WorkflowExecution) -> dict[str, Any]:
    """What can be read of it. A namespace may have runs of somebody else, with another key or another form of values: they are listed all the same."""
    found: dict[str, Any] = {}
    for name, value in execution.raw_info.memo.fields.items():
        with suppress(Exception):
            [found[name]] = await execution.data_converter.decode([value])
    return found


async def describe(
    registry: Registry, client: Client, handle: Handle, *, stack: bool, replayed: bool
) -> RunDescription:
    """Everything about a run; what only itself can tell, of a run with a long history only if it may be `replayed` for that.

    Raises what the SDK raises; `rpc.mapped` is around it.
    """
    run, raw = await _looked_at(registry, client, handle)
    closed, state = run.status != _RUNNING, run.state
    long = long_histories.warning(run.history_length, raw.workflow_execution_info.history_size_bytes)
    answering = state in ("in_progress", "completed", "failed") and (long is None or replayed)
    unserved = {step.activity_id: step for step in await unserved_steps(client, raw)}
    return replace(
        run,
        pending=[_with_queue(item, unserved) for item in run.pending],
        failure=run.failure if not closed else await _why_failed(client, run),
        cancel=await _cancel(client, run, raw),
        continue_as_new_suggested=not closed and await _is_suggested(client, run),
        details=await _ask(handle, wire.QUERY_STATUS) if answering else None,
        stack=(await _ask(handle, wire.QUERY_STACK, wire.WITH_LOCALS) or [])
        if stack and answering and not closed
        else [],
        warnings=[*_warnings(long, closed, replayed), *(step.text for step in unserved.values())],
    )


async def look(registry: Registry, client: Client, handle: Handle) -> RunDescription:
    """How a run is doing: its state, and what is pending. Raises what the SDK raises."""
    return (await _looked_at(registry, client, handle))[0]


async def _looked_at(
    registry: Registry, client: Client, handle: Handle
) -> tuple[RunDescription, DescribeWorkflowExecutionResponse]:
    description = await handle.describe(rpc_timeout=rpc.TIMEOUT)
    raw = await opened(description.raw_description, client.data_converter, whole=False)
    run = await listed(registry, description)
    failure = await _task_failure(client, run, raw) if run.status == _RUNNING else None
    pending = [_pending(item) for item in raw.pending_activities]
    return replace(run, state=_state(run, raw, failure), failure=failure, pending=pending), raw


def _warnings(long: str | None, closed: bool, replayed: bool) -> list[str]:
    """That the history is long is of no interest once the run has ended, but that it was not asked is."""
    said = [long] if long is not None and not closed else []
    return said if long is None or replayed else [*said, _NOT_ASKED]


def _with_queue(item: Mapping[str, Any], unserved: Mapping[str, Unserved]) -> Mapping[str, Any]:
    step = unserved.get(item["activity_id"])
    return item if step is None else {**item, "unserved": step.queue}


def _state(run: RunDescription, raw: DescribeWorkflowExecutionResponse, failure: Mapping[str, Any] | None) -> str:
    if run.status != _RUNNING:
        return run.state
    if failure is not None:
        return "wedged"
    waiting = raw.HasField("pending_workflow_task")
    return "pending" if waiting and run.history_length <= 2 else "in_progress"


async def _task_failure(
    client: Client, run: RunDescription, raw: DescribeWorkflowExecutionResponse
) -> dict[str, Any] | None:
    """Why the task of an open run keeps failing."""
    attempts = raw.pending_workflow_task.attempt if raw.HasField("pending_workflow_task") else 0
    if attempts < _WEDGED_ATTEMPT:
        return None
    seen = 0
    async for event in ends.backwards(client, run.id, run.run_id):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            failure = event.workflow_task_failed_event_attributes.failure
            return {**failures.told(failure), "attempt": attempts, "at": moment(event.event_time)}
        seen += 1
        if seen == _LATEST:
            break
    return None


async def _is_suggested(client: Client, run: RunDescription) -> bool:
    """Whether the server suggested with the last task that the run continues as new."""
    seen = 0
    async for event in ends.backwards(client, run.id, run.run_id):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
            return event.workflow_task_started_event_attributes.suggest_continue_as_new
        seen += 1
        if seen == _BETWEEN:
            break
    return False


async def _why_failed(client: Client, run: RunDescription) -> dict[str, Any] | None:
    """Why a closed run failed."""
    error = await ends.failure(client, run.id, run.run_id) if run.state == "failed" else None
    return error.to_wire() if error is not None else None


async def _cancel(client: Client, run: RunDescription, raw: DescribeWorkflowExecutionResponse) -> dict[str, Any] | None:
    """Who asked the run to cancel, if anybody did."""
    asked = raw.workflow_extended_info.cancel_requested or run.status == WorkflowExecutionStatus.CANCELED.name
    asked = asked or wire.MEMO_BUDGET in raw.workflow_execution_info.memo.fields
    return await ends.asked_to_end(client, run.id, run.run_id) if asked else None


def _pending(item: PendingActivityInfo) -> dict[str, Any]:
    pending: dict[str, Any] = {
        "activity": item.activity_type.name,
        "activity_id": item.activity_id,
        "state": PendingActivityState.Name(item.state).removeprefix("PENDING_ACTIVITY_STATE_").lower(),
        "attempt": item.attempt,
        "last_failure": failures.told(item.last_failure) if item.HasField("last_failure") else None,
        "next_retry_at": _stamp(item, "next_attempt_schedule_time"),
        "heartbeat": _json(item.heartbeat_details.payloads),
        "attempts": failures.attempts(item.last_failure) if item.HasField("last_failure") else [],
    }
    return pending


def _json(protos: Sequence[Proto]) -> Any:
    """The first value; None when there is none, and for what is no JSON."""
    payload = wire.from_proto(protos[0]) if protos else None
    try:
        return payload.value() if payload is not None and payload.encoding == JSON else None
    except Error:
        return None


async def _ask(handle: Handle, name: str, *args: str) -> Any:
    """The answer to one of the kernel's queries; None when the run does not answer (now)."""
    try:
        given = wire.raws([Payload.of(arg) for arg in args])
        raw = await handle.query(name, args=given, result_type=RawValue, rpc_timeout=_QUESTION)
        return wire.unraw(raw).value()
    except (WorkflowQueryFailedError, RPCError, Error):
        return None


def _stamp(message: Any, field: str) -> str | None:
    return moment(getattr(message, field)) if message.HasField(field) else None
