"""Warnings are errors while these tests run, and a worker goes on all the same."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from temporalio import activity
from temporalio.bridge.proto.activity_task import ActivityTask, Cancel
from temporalio.client import Client
from temporalio.worker import Worker

from runtime.temporal.dev_server import DevServer
from runtime.temporal.worker.sdk_warnings import outlive_warnings


@activity.defn
async def nothing() -> None: ...


def _poll_late_cancellations(worker: Worker, count: int) -> asyncio.Event:
    """The worker's poller gets that many cancellations of activities that are over, and then what the server has."""
    inner: Any = worker._activity_worker
    bridge = inner._bridge_worker()
    polled, left = asyncio.Event(), list(range(count))

    class Bridge:
        def __getattr__(self, name: str) -> Any:
            return getattr(bridge, name)

        async def poll_activity_task(self) -> Any:
            if left:
                return ActivityTask(task_token=f"local_act_{left.pop()}".encode(), cancel=Cancel())
            polled.set()
            return await bridge.poll_activity_task()

    inner._bridge_worker = Bridge
    return polled


async def _worker(server: DevServer) -> Worker:
    client = await Client.connect(server.address)
    return Worker(client, task_queue=f"warned-{uuid.uuid4()}", activities=[nothing])


async def test_the_sdk_warns_of_a_cancellation_that_comes_late(temporal_server: DevServer) -> None:
    """Should it no longer, `runtime/temporal/worker/sdk_warnings.py` has nothing left to do."""
    worker = await _worker(temporal_server)
    _poll_late_cancellations(worker, 1)
    with pytest.raises(RuntimeError) as ended:
        await worker.run()
    assert isinstance(ended.value.__cause__, Warning)


async def test_a_warning_ends_no_worker(temporal_server: DevServer) -> None:
    worker = await _worker(temporal_server)
    outlive_warnings(worker)
    polled = _poll_late_cancellations(worker, 3)
    async with worker:
        await polled.wait()
        assert worker.is_running
