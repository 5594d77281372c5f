"""Evermoon's HTTP server without workers: ``python -m bench.contestants.web ADDRESS QUEUE DIRECTORY``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from bench.contestants import lines
from bench.contestants.served import REGISTRY
from runtime.app.runtime import Runtime


async def main(address: str, queue: str, directory: str) -> None:
    opened = Runtime.open(
        REGISTRY / "registry.yaml",
        temporal=address,
        bundles=Path(directory) / "bundles",
        workers=False,
        http=True,
        overrides=[f"bench:worker:task_queue={queue}"],
        environ={},
    )
    async with opened as runtime:

        async def url() -> str:
            return runtime.urls["bench:web"]

        await lines.answer({"url": url})


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
