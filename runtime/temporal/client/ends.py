"""How a run ended, and who asked it to end and why: what its history tells from the end backwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
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


async def backwards(client: Client, id: str, run_id: str | None) -> AsyncIterator[HistoryEvent]:
    """The events of a run, the last one first. Raises what the SDK raises."""
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace,
        execution=ExecutionId(workflow_id=id, run_id=run_id or ""),
        maximum_page_size=_PAGE,
    )
    for _ in range(_PAGES):
        response = await client.workflow_service.get_workflow_execution_history_reverse(request, timeout=rpc.TIMEOUT)
        for event in (await opened(response.history, client.data_converter)).events:
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


def _timed_out(_: HistoryEvent) -> Error:
    return errors.timed_out("the time that the run may take is spent", timeout_type="StartToClose")


_FAILURES = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: _failed,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: _terminated,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: _timed_out,
}
