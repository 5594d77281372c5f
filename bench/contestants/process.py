"""The bench's end of a contestant's process."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.system import cpu_seconds, private_kib

ROOT = Path(__file__).parent.parent.parent
_READY, _END = 300.0, 30.0
_LINE = 1 << 26


class Ended(Exception):
    """A contestant went away, or could not do what it was asked for."""


class Process:
    """Made by `started`. One question at a time."""

    def __init__(self, name: str, child: asyncio.subprocess.Process) -> None:
        self.name = name
        self._child = child

    async def ask(self, what: str, **arguments: Any) -> Any:
        """Raises `Ended` when it does not answer, or answers with an error."""
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps({"do": what, **arguments}).encode() + b"\n")
        await self._child.stdin.drain()
        return await self._answer()

    async def _answer(self) -> Any:
        assert self._child.stdout is not None
        while line := await self._child.stdout.readline():
            if line.startswith(b"{"):  # what else it prints is for people
                document = json.loads(line)
                if "error" in document:
                    raise Ended(f"{self.name}: {document['error']}")
                return document.get("answer")
        raise Ended(f"{self.name} ended with {await self._child.wait()}")

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        return cpu_seconds(self._child.pid)

    async def memory(self) -> float:
        """KiB that are its own alone, after it gave back what it does not use."""
        await self.ask("settle")
        return private_kib(self._child.pid)

    async def ready(self) -> None:
        async with asyncio.timeout(_READY):
            await self._answer()

    async def stop(self) -> None:
        """Ends its input, and itself if that does not. Idempotent."""
        if self._child.stdin is not None and not self._child.stdin.is_closing():
            self._child.stdin.close()
        try:
            async with asyncio.timeout(_END):
                await self._child.wait()
        except TimeoutError:
            self._child.kill()
            await self._child.wait()


@asynccontextmanager
async def started(
    name: str, command: Sequence[str], environ: Mapping[str, str] | None = None
) -> AsyncIterator[Process]:
    """A contestant that is ready; it has ended when the context is left."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, cwd=ROOT, env=environ, limit=_LINE, start_new_session=True
    )
    process = Process(name, child)
    try:
        await process.ready()
        yield process
    finally:
        await process.stop()


def python(module: str, *arguments: str) -> list[str]:
    """The command of a module of this package in a Python of its own."""
    return [sys.executable, "-m", f"bench.contestants.{module}", *arguments]
