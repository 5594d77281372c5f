"""Who polls a task queue, and the steps that wait on one which nobody polls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from temporalio.api.enums.v1 import PendingActivityState, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeWorkflowExecutionResponse
from temporalio.client import Client

from runtime.temporal.client import rpc
from runtime.temporal.client.moments import moment

#: Seconds that a step waits before its queue is looked at.
PATIENCE = 10.0
_POLLED = timedelta(minutes=2)

WORKFLOWS, ACTIVITIES = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY


class Unserved(NamedTuple):
    """A step that waits for its attempt, `since` when, on a queue that no worker polls."""

    activity: str
    activity_id: str
    attempt: int
    queue: str
    since: str | None

    @property
    def text(self) -> str:
        return f"{self.activity} waits since {self.since} on the task queue {self.queue}, which no worker polls: start the worker that serves it"


async def pollers(client: Client, task_queue: str, kind: TaskQueueType.ValueType = WORKFLOWS) -> list[str]:
    """The identities of the workers that have asked this queue for tasks lately; one that has nothing to do asks once a minute."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=task_queue), task_queue_type=kind
    )
    response = await client.workflow_service.describe_task_queue(request, timeout=rpc.TIMEOUT)
    oldest = datetime.now(UTC) - _POLLED
    return [poller.identity for poller in response.pollers if poller.last_access_time.ToDatetime(tzinfo=UTC) > oldest]


async def unserved_steps(client: Client, raw: DescribeWorkflowExecutionResponse) -> list[Unserved]:
    """Each queue is asked about once. Raises what the SDK raises."""
    waiting = [item for item in raw.pending_activities if _waits(item)]
    queues = {item.activity_options.task_queue.name for item in waiting}
    silent = {queue for queue in sorted(queues) if queue and not await pollers(client, queue, ACTIVITIES)}
    return [_unserved(item) for item in waiting if item.activity_options.task_queue.name in silent]


def _waits(item: PendingActivityInfo) -> bool:
    if item.state != PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED or item.paused:
        return False
    return datetime.now(UTC) - _due(item) > timedelta(seconds=PATIENCE)


def _due(item: PendingActivityInfo) -> datetime:
    """From when on the attempt could be made."""
    if not item.HasField("last_attempt_complete_time"):
        return item.scheduled_time.ToDatetime(tzinfo=UTC)
    return item.last_attempt_complete_time.ToDatetime(tzinfo=UTC) + item.current_retry_interval.ToTimedelta()


def _unserved(item: PendingActivityInfo) -> Unserved:
    queue, attempt = item.activity_options.task_queue.name, max(item.attempt, 1)
    return Unserved(item.activity_type.name, item.activity_id, attempt, queue, moment(_due(item)))
