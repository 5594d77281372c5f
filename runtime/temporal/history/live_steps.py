"""What the server says of a run's steps before its history does: that they are under way, that they are tried again, and that nobody takes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client

from runtime.temporal import failures
from runtime.temporal.client import rpc
from runtime.temporal.client.moments import moment
from runtime.temporal.client.unserved import unserved_steps
from runtime.temporal.payloads import opened


class LiveStep(NamedTuple):
    """An event about a step, as its worker may have told it: `source` and `position` say which it is (`Streams.tell`)."""

    source: str
    name: str
    position: int
    about: dict[str, Any]


async def live_steps(client: Client, workflow_id: str) -> list[LiveStep]:
    """Of the latest run. Raises `Error` NOT_FOUND or UNAVAILABLE."""
    with rpc.mapped(workflow_id):
        described = await client.get_workflow_handle(workflow_id).describe(rpc_timeout=rpc.TIMEOUT)
        raw = await opened(described.raw_description, client.data_converter, whole=False)
        unserved = await unserved_steps(client, raw)
    run = described.run_id
    found = [step for item in raw.pending_activities for step in _of(run, item)]
    for one in unserved:
        found.append(
            LiveStep(f"{run}/{one.activity_id}", "queue.unserved", one.attempt, {"run_id": run, **one._asdict()})
        )
    return found


def _of(run: str, item: PendingActivityInfo) -> Iterator[LiveStep]:
    source = f"{run}/{item.activity_id}"
    step = {"run_id": run, "activity": item.activity_type.name, "activity_id": item.activity_id}
    if item.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED:
        yield LiveStep(source, "step.started", item.attempt, {**step, "attempt": item.attempt})
    elif item.attempt > 1 and item.HasField("next_attempt_schedule_time"):
        failed = item.attempt - 1
        error = failures.told(item.last_failure) if item.HasField("last_failure") else None
        next_at = moment(item.next_attempt_schedule_time)
        yield LiveStep(
            source, "step.retrying", failed, {**step, "attempt": failed, "error": error, "next_retry_at": next_at}
        )
