"""A host with the consumers of a registry, as a process of its own that a test can kill: `python -m tests.modules.queue_host REGISTRY STATE`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from runtime.lua.program import Programs
from runtime.process.host import ProcessHost
from runtime.registry import Registry


async def main(path: str, state: str) -> None:
    registry = Registry.load(Path(path), environ={})
    host = ProcessHost(registry, Programs(registry), state=Path(state))
    await host.services.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
