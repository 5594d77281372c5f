"""A worker of Temporal's Python SDK that knows nothing of us: `worker.py ADDRESS QUEUE`. It ends with its input."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker


@activity.defn(name="ChargeCard")
async def charge(order: dict[str, Any]) -> dict[str, Any]:
    if order["n"] < 0:
        raise ApplicationError("the card was declined", type="Declined", non_retryable=True)
    return {"charged": order["n"]}


@workflow.defn(name="Invoice")
class Invoice:
    def __init__(self) -> None:
        self._said: str | None = None

    @workflow.signal
    def go(self, word: str) -> None:
        self._said = word

    @workflow.run
    async def run(self, order: dict[str, Any]) -> dict[str, Any]:
        if order.get("waits"):
            await workflow.wait_condition(lambda: self._said is not None)
            return {"invoiced": order["n"], "said": self._said}
        return {"invoiced": order["n"]}


async def main(address: str, queue: str) -> None:
    client = await Client.connect(address)
    async with Worker(client, task_queue=queue, workflows=[Invoice], activities=[charge]):
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
