"""Whole runs on the embedded server: a Lua workflow against the same workflow in Python on the same kind of worker."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from bench.measure import Row
from runtime import Runtime

_ROUNDS = 25
_STEPS = 3

_REGISTRY = """
namespace: bench
entries:
  - {name: temporal, kind: temporal.client, address: "localhost:7233"}
  - {name: worker, kind: temporal.worker, client: temporal, task_queue: lua}
  - name: steps
    kind: workflow.lua
    source: file://steps.lua
    modules: [funcs]
    meta: {temporal: {workflow: {worker: worker}}}
  - name: add
    kind: function.lua
    source: file://add.lua
    meta: {temporal: {activity: {worker: worker}}}
"""
_STEPS_LUA = f"return function(n) for _ = 1, {_STEPS} do n = require('funcs').call('bench:add', n) end return n end"
_ADD_LUA = "return function(n) return n + 1 end"


@activity.defn
async def add(n: int) -> int:
    return n + 1


@workflow.defn
class Steps:
    @workflow.run
    async def run(self, n: int) -> int:
        for _ in range(_STEPS):
            n = await workflow.execute_activity(add, n, start_to_close_timeout=timedelta(seconds=10))
        return n


def rows() -> list[Row]:
    return asyncio.run(_rows())


async def _rows() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {"registry.yaml": _REGISTRY, "steps.lua": _STEPS_LUA, "add.lua": _ADD_LUA}.items():
            (Path(folder) / name).write_text(text)
        async with Runtime.open(Path(folder) / "registry.yaml", temporal="embedded") as runtime:
            client = await Client.connect(runtime.address or "")
            python = Worker(
                client,
                task_queue="python",
                workflows=[Steps],
                activities=[add],
                workflow_runner=UnsandboxedWorkflowRunner(),
            )
            async with python:
                return await _measure(runtime, client)


async def _measure(runtime: Runtime, client: Client) -> list[Row]:
    async def lua(number: int) -> None:
        pid = await runtime.spawn("bench:steps", 0, id=f"lua-{number}", worker="bench:worker")
        await runtime.result(pid, timeout=60)

    async def python(number: int) -> None:
        await client.execute_workflow(Steps.run, 0, id=f"python-{number}", task_queue="python")

    ours, theirs = [], []
    for number in range(_ROUNDS + 1):
        ours.append(await _timed(lua, number))
        theirs.append(await _timed(python, number))
    alone = Row(
        "a Lua run of 3 activities", statistics.median(ours[1:]), "the same in Python", statistics.median(theirs[1:])
    )
    together = Row("100 Lua runs at once", await _together(lua), "100 Python runs at once", await _together(python))
    return [alone, together]


async def _timed(run: Callable[[int], Awaitable[None]], number: int) -> float:
    start = time.perf_counter()
    await run(number)
    return time.perf_counter() - start


async def _together(run: Callable[[int], Awaitable[None]]) -> float:
    start = time.perf_counter()
    await asyncio.gather(*(run(1000 + number) for number in range(100)))
    return time.perf_counter() - start
