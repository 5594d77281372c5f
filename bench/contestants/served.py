"""A worker in a process of its own: ``python -m bench.contestants.served NAME ADDRESS QUEUE DIRECTORY``.

The worker's own processor time is what is measured, so this process does nothing else. NAME is `un` or `sb` for Python's SDK without
and with its sandbox; any other is Evermoon, with the rest of the arguments as overrides of its registry, or
`--registry=FILE` for another one.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from bench.contestants import lines
from bench.contestants.workflows import WORKFLOWS, add
from runtime.app.runtime import Runtime

REGISTRY = Path(__file__).parent.parent / "entries"
CACHED = 60_000
_REGISTRY = "--registry="


def runner(name: str) -> WorkflowRunner:
    """What runs Python workflows for `un` and `sb`."""
    return UnsandboxedWorkflowRunner() if name == "un" else SandboxedWorkflowRunner()


def evermoon(address: str, queue: str, directory: str, overrides: list[str]) -> AbstractAsyncContextManager[Any]:
    named = [word.partition("=")[2] for word in overrides if word.startswith(_REGISTRY)]
    wanted = [f"bench:worker:task_queue={queue}", *(word for word in overrides if not word.startswith(_REGISTRY))]
    registry = Path(named[0]) if named else REGISTRY / "registry.yaml"
    return Runtime.open(registry, temporal=address, bundles=Path(directory) / "bundles", overrides=wanted, environ={})


async def sdk(name: str, address: str, queue: str) -> AbstractAsyncContextManager[Any]:
    """With as many tasks at once as Evermoon's worker takes."""
    return Worker(
        await Client.connect(address),
        task_queue=queue,
        workflows=WORKFLOWS,
        activities=[add],
        workflow_runner=runner(name),
        max_cached_workflows=CACHED,
        max_concurrent_workflow_tasks=200,
        max_concurrent_activities=200,
        max_concurrent_local_activities=200,
    )


async def main(name: str, address: str, queue: str, directory: str, *overrides: str) -> None:
    python = name in ("un", "sb")
    worker = await sdk(name, address, queue) if python else evermoon(address, queue, directory, list(overrides))
    async with worker:
        await lines.answer({})


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
