"""The SDK's own start of a workflow, and nothing else: ``python -m bench.contestants.starter ADDRESS QUEUE``."""

from __future__ import annotations

import asyncio
import sys
from itertools import count

from temporalio.client import Client

from bench.contestants import lines


async def main(address: str, queue: str) -> None:
    client, ids = await Client.connect(address), count(1)

    async def start(number: int) -> None:
        for _ in range(number):
            await client.start_workflow("noop", id=f"started-{next(ids)}", task_queue=queue)

    await lines.answer({"start": start})


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
