"""How a run ended, and who asked it to end and why: what its history tells from the end backwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution as ExecutionId
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client

from runtime import errors
from runtime.errors import Error
from runtime.temporal import budgets, failures, wire
from runtime.temporal.client import rpc
from runtime.temporal.client.moments import moment
from runtime.temporal.payloads import opened

#: Events in one answer, and answers that are read at most for who asked a run to end: it may have compensated for long since.
_PAGE, _PAGES = 100, 50
#: How exactly the server keeps the end of a run's time.
_ABOUT = timedelta(seconds=1)


async def backwards(client: Client, id: str, run_id: str | None) -> AsyncIterator[HistoryEvent]:
    """The events of a run, the last one first. Raises what the SDK raises."""
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace,
        execution=ExecutionId(workflow_id=id, run_id=run_id or ""),
        maximum_page_size=_PAGE,
    )
    for _ in range(_PAGES):
        response = await client.workflow_service.get_workflow_execution_history_reverse(request, timeout=rpc.TIMEOUT)
        for event in (await opened(response.history, client.data_converter, whole=False)).events:
            yield event
        if not response.next_page_token:
            return
        request.next_page_token = response.next_page_token


def cancel_request(event: HistoryEvent) -> dict[str, Any] | None:
    """Of an event that asked the run to end: `{reason, by, at}`."""
    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
        asked = event.workflow_execution_cancel_requested_event_attributes
        by = asked.external_workflow_execution.workflow_id or asked.identity
        return {"reason": asked.cause, "by": by, "at": moment(event.event_time)}
    if wire.MEMO_BUDGET in event.workflow_properties_modified_event_attributes.upserted_memo.fields:
        return {"reason": budgets.REASON, "by": "its time budget", "at": moment(event.event_time)}
    return None


async def asked_to_end(client: Client, id: str, run_id: str | None) -> dict[str, Any] | None:
    """Who asked a run to cancel, why and when; None when nobody did, or too long ago to be found."""
    async for event in backwards(client, id, run_id):
        request = cancel_request(event)
        if request is not None:
            return request
    return None


async def failure(client: Client, id: str, run_id: str | None) -> Error | None:
    """Why a closed run has no result; None for one that has."""
    async for event in backwards(client, id, run_id):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
            return await _timed_out(client, id, run_id, event)
        told = _FAILURES.get(event.event_type)
        if told is not None:
            return told(event)
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED:
            return canceled(await asked_to_end(client, id, run_id))
        return None
    return None


def canceled(request: Mapping[str, Any] | None) -> Error:
    return _ended("workflow canceled", request)


def _ended(what: str, request: Mapping[str, Any] | None) -> Error:
    said = {name: text for name, text in (request or {}).items() if name in ("reason", "by") and text}
    text = what + (f" by {said['by']}" if "by" in said else "") + (f": {said['reason']}" if "reason" in said else "")
    return errors.canceled(text, **said)


def _failed(event: HistoryEvent) -> Error:
    return failures.recorded(event.workflow_execution_failed_event_attributes.failure)


def _terminated(event: HistoryEvent) -> Error:
    ended = event.workflow_execution_terminated_event_attributes
    return _ended("workflow terminated", {"reason": ended.reason, "by": ended.identity})


async def _timed_out(client: Client, id: str, run_id: str | None, end: HistoryEvent) -> Error:
    """Of a run that the server has ended: for its budget, when it had one and the end is that of the grace."""
    async for event in backwards(client, id, run_id):
        budget = wire.spent_budget(event) or _budget_until(event, end)
        if budget is not None:
            return budgets.overrun(budget)
    return errors.timed_out("the time that the run may take is spent", timeout_type="StartToClose")


def _budget_until(event: HistoryEvent, end: HistoryEvent) -> str | None:
    """The budget that a run was started with and whose grace was over at its end: no worker was there to mark that it is spent."""
    if event.event_type != EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
        return None
    started = event.workflow_execution_started_event_attributes
    budget = budgets.read(started.header.fields)
    last = started.workflow_execution_expiration_time.ToDatetime() - _ABOUT
    return budget.text if budget is not None and end.event_time.ToDatetime() >= last else None


_FAILURES = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: _failed,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: _terminated,
}
