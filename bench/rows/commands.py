"""What a command costs from nothing to its end."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import ClassVar

from bench.contestants.served import REGISTRY
from bench.plan import Plan, Row
from bench.result import Result

_BARE = "the SDK alone"
_START = """
import asyncio, os, sys
from temporalio.client import Client
async def main():
    client = await Client.connect(sys.argv[1])
    await client.start_workflow("noop", id=sys.argv[2], task_queue=sys.argv[3])
asyncio.run(main())
os._exit(0)  # as `evermoon` does: threads of the SDK's core can crash a Python that takes itself apart
"""


class Commands:
    """Processor time of `evermoon start`, `send`, `ps` and `check` as processes, against a Python that imports the SDK and starts a run.

    A command waits for the server as well; that is on the clock, and not in here.
    """

    name: ClassVar[str] = "commands"
    quick: ClassVar[bool] = True

    async def measure(self, plan: Plan) -> list[Result]:
        workers = await plan.workers()
        address = next(iter(workers.values())).client.service_client.config.target_host
        run, ids = await _open_run(plan), count(1)
        environ = {**os.environ, "TEMPORAL_ADDRESS": address, "EVERMOON_STATE": str(plan.directory / "state")}
        evermoon = [str(Path(sys.executable).parent / "evermoon")]
        registry = ["--registry", str(REGISTRY / "registry.yaml")]

        async def once(name: str) -> float:
            words = {
                "start": ["start", "bench:noop", "--id", f"command-{next(ids)}", "--unserved"],  # nobody polls yet
                "send": ["send", run, "tick", "1"],
                "ps": ["ps"],
                "check": ["check"],
            }
            bare = [sys.executable, "-c", _START, address, f"bare-{next(ids)}", "nobody"]
            command = bare if name == _BARE else [*evermoon, *words[name], *registry]
            return await asyncio.to_thread(_cpu, command, environ)

        values = await plan.interleaved(["start", "send", "ps", "check", _BARE], once, plan.rounds or plan.size(7, 2))
        targets = {name: 0.4 for name in values if name != _BARE}
        return [Result("processor time of a command", "s", _BARE, values, targets, absolute=True)]


async def _open_run(plan: Plan) -> str:
    worker = next(iter((await plan.workers()).values()))
    return (await worker.start("parked", 1)).id


def _cpu(command: Sequence[str], environ: dict[str, str]) -> float:
    """Seconds of a child's processor, the kernel's for it included. Raises `RuntimeError` with what it said when it fails."""
    child = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert child.stderr is not None
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    child.stderr.close()
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}: {said.decode(errors='replace')[-500:]}")
    return usage.ru_utime + usage.ru_stime


ROWS: Sequence[Row] = [Commands()]
