"""Workers side by side on one server, and the one who starts and signals their runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle

from bench.contestants import node
from bench.contestants.process import Process, python, started
from bench.contestants.served import REGISTRY
from runtime.app.runtime import Runtime
from runtime.registry.kinds.temporal import WorkerOptions
from runtime.temporal.dev_server import DevServer

#: Evermoon, and Evermoon that keeps few interpreters: the rest of its runs sleep.
EVERMOON, ASLEEP = "evermoon", "asleep"
UN, SB, TS = "un", "sb", "ts"
_AWAKE = 20
_POLL = 0.02

Handle = WorkflowHandle[Any, Any]


def can_sleep() -> bool:
    """Whether this Evermoon has hibernation."""
    return "max_live_interpreters" in WorkerOptions.model_fields


@dataclass
class Worker:
    """A contestant's worker. Runs are started by their type's name, which is the same for all."""

    name: str
    queue: str
    process: Process
    client: Client
    runtime: Runtime | None
    """For Evermoon: as its users start runs, so that they begin with headers and a pinned bundle."""
    ids: count[int]

    async def start(self, workflow: str, *args: Any) -> Handle:
        id = f"{self.queue}-{workflow}-{next(self.ids)}"
        if self.runtime is None:
            return await self.client.start_workflow(workflow, args=args, id=id, task_queue=self.queue)
        await self.runtime.start(f"bench:{workflow}", *args, id=id, worker=self.queue)
        return self.client.get_workflow_handle(id)

    async def start_many(self, number: int, workflow: str, *args: Any, at_once: int = 20) -> list[Handle]:
        turns = asyncio.Semaphore(at_once)

        async def one() -> Handle:
            async with turns:
                return await self.start(workflow, *args)

        return list(await asyncio.gather(*(one() for _ in range(number))))

    async def run_many(self, number: int, workflow: str, *args: Any, at_once: int = 20) -> None:
        """From start to result, `at_once` of them at any time."""
        turns = asyncio.Semaphore(at_once)

        async def one() -> None:
            async with turns:
                handle = await self.start(workflow, *args)
                await handle.result()

        await asyncio.gather(*(one() for _ in range(number)))


async def parked(handles: Sequence[Handle], events: int = 4) -> None:
    """Waits until each run's history has this many events: 4 when its first task is done and it waits."""
    turns = asyncio.Semaphore(20)

    async def one(handle: Handle) -> None:
        async with turns:
            while (await handle.describe()).history_length < events:  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(_POLL)

    await asyncio.gather(*(one(handle) for handle in handles))


async def signal_all(handles: Sequence[Handle], at_once: int = 20) -> None:
    turns = asyncio.Semaphore(at_once)

    async def one(handle: Handle) -> None:
        async with turns:
            await handle.signal("tick", 1)

    await asyncio.gather(*(one(handle) for handle in handles))


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds that something took: of the worker's processor, and on the clock."""

    cpu: float
    wall: float


class Watch:
    """A worker's processor time since now."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._cpu, self._wall = worker.process.cpu(), time.perf_counter()

    def cost(self) -> Cost:
        return Cost(self._worker.process.cpu() - self._cpu, time.perf_counter() - self._wall)


class Side:
    """One server and its workers; made by `side`."""

    def __init__(self, server: DevServer, directory: Path, stack: AsyncExitStack) -> None:
        self._server = server
        self._directory = directory
        self._stack = stack
        self._ids = count(1)
        self.client: Client
        self.runtime: Runtime

    @property
    def address(self) -> str:
        return self._server.address

    @property
    def directory(self) -> Path:
        return self._directory

    async def open(self) -> None:
        self.client = await Client.connect(self.address)
        opened = Runtime.open(
            REGISTRY / "registry.yaml",
            temporal=self.address,
            bundles=self._directory / "bundles",
            workers=False,
            environ={},
        )
        self.runtime = await self._stack.enter_async_context(opened)

    async def workers(self, names: Sequence[str]) -> list[Worker]:
        """A worker of each name, in a new process; they end with the server."""
        return list(await asyncio.gather(*(self._worker(name) for name in names)))

    async def _worker(self, name: str) -> Worker:
        queue = f"{name}-{next(self._ids)}"
        process = await self._stack.enter_async_context(started(name, self._command(name, queue)))
        return Worker(name, queue, process, self.client, self.runtime if name in (EVERMOON, ASLEEP) else None, count(1))

    async def evermoons(self, registries: Sequence[Path]) -> list[Worker]:
        """A worker for each of these registries. Their runs are started as any client of Temporal may: without headers."""
        made = []
        for registry in registries:
            queue = f"evermoon-{next(self._ids)}"
            command = python("served", EVERMOON, self.address, queue, str(self._directory), f"--registry={registry}")
            process = await self._stack.enter_async_context(started(EVERMOON, command))
            made.append(Worker(EVERMOON, queue, process, self.client, None, count(1)))
        return made

    def _command(self, name: str, queue: str) -> list[str]:
        if name == TS:
            return node.command(self.address, queue)
        more = [f"bench:worker:worker_options.max_live_interpreters={_AWAKE}"] if name == ASLEEP else []
        return python("served", name, self.address, queue, str(self._directory), *more)


@asynccontextmanager
async def side(directory: Path) -> AsyncIterator[Side]:
    """A fresh server, so that what one row left behind is not in the way of another."""
    async with DevServer(ui=False, port=0) as server, AsyncExitStack() as stack:
        made = Side(server, directory, stack)
        await made.open()
        yield made
