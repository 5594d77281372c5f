"""A process host, or bare interpreters, in a Python that nothing else has touched: ``python -m bench.contestants.host``."""

from __future__ import annotations

import asyncio
import time

import lupa.lua54 as lupa

from bench.contestants import lines
from bench.contestants.served import REGISTRY
from runtime.app.runtime import Runtime


class Host:
    """Answers are seconds of this Python's processor time for one of what was asked for."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._kept: list[object] = []

    async def spawn(self, count: int) -> float:
        """From the first spawn until all of them wait: each says so to one that counts."""
        counting = await self._runtime.spawn("processes:counts", count, worker="processes:host")
        begun = time.process_time()
        for _ in range(count):
            await self._runtime.spawn("processes:waits", counting, worker="processes:host")
        await self._runtime.result(counting)
        return (time.process_time() - begun) / count

    async def messages(self, count: int) -> float:
        """There and back between two processes; for one message."""
        echoing = await self._runtime.spawn("processes:echoes", worker="processes:host")
        begun = time.process_time()
        await self._runtime.result(await self._runtime.spawn("processes:asks", echoing, count, worker="processes:host"))
        seconds = (time.process_time() - begun) / count / 2
        await self._runtime.terminate(echoing)
        return seconds

    async def interpreters(self, count: int) -> float:
        """Empty ones, kept."""
        begun = time.process_time()
        self._kept += [lupa.LuaRuntime(encoding=None) for _ in range(count)]
        return (time.process_time() - begun) / count


async def main() -> None:
    async with Runtime.open(REGISTRY / "processes.yaml", environ={}) as runtime:
        host = Host(runtime)
        await lines.answer({"spawn": host.spawn, "messages": host.messages, "interpreters": host.interpreters})


if __name__ == "__main__":
    asyncio.run(main())
