"""A worker in a Python of its own, so that what a test keeps is not counted: ``python -m tests.soak.served DIRECTORY ADDRESS``.

Says ``ready`` when it serves; answers each line on its standard input with a `Sample` as JSON, and ends with the input.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

from runtime.app.runtime import Runtime
from runtime.temporal.core_log import forward_core_log
from tests.soak.sample import Sample, sample


class Served:
    """The other end of that process's pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def sample(self) -> Sample:
        assert self._process.stdin is not None
        self._process.stdin.write(b"sample\n")
        line = await self.line()
        assert line.startswith(b"{"), line
        return Sample(**json.loads(line))

    async def line(self) -> bytes:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the worker ended"
        return line


@asynccontextmanager
async def served(directory: Path, address: str) -> AsyncIterator[Served]:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "tests.soak.served", str(directory), address)
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        worker = Served(process)
        assert await worker.line() == b"ready\n"
        yield worker
    finally:
        assert process.stdin is not None
        process.stdin.close()
        assert await process.wait() == 0


async def _main(directory: Path, address: str) -> None:
    forward_core_log()  # which would else write to standard output, where the samples go
    registry = directory / "registry.yaml"
    async with Runtime.open(registry, temporal=address, bundles=directory / "bundles", environ={}):
        print("ready", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(asdict(sample())), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), sys.argv[2]))
