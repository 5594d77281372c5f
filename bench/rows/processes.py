"""Processes on a process host, each measurement in a Python of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from bench.contestants.process import python, started
from bench.plan import Plan, Row
from bench.result import Result
from bench.workers import EVERMOON

_EMPTY = "empty lupa interpreter"


class Processes:
    """Processes that wait: KiB of the Python process for each, in a process that had nothing else (what it gave back is not counted), and
    its processor time from spawn until each has said that it is there; against empty interpreters, of which each process has one.
    """

    name: ClassVar[str] = "process"
    quick: ClassVar[bool] = True

    async def measure(self, plan: Plan) -> list[Result]:
        count = plan.size(10_000, 300)
        times: dict[str, list[float]] = {EVERMOON: [], _EMPTY: []}

        async def once(name: str) -> float:
            what = "spawn" if name == EVERMOON else "interpreters"
            async with started(name, python("host")) as process:
                await process.ask(what, count=10)
                before = await process.memory()
                times[name].append(await process.ask(what, count=count) * 1e6)
                return (await process.memory() - before) / count

        memory = await plan.interleaved([EVERMOON, _EMPTY], once, plan.rounds or plan.size(5, 2), warm=False)
        idle = f"idle process on the process host, one of {count:,}"
        return [
            Result(idle, "KiB", _EMPTY, memory, {EVERMOON: 100}, absolute=True),
            Result("process, from spawn to waiting", "µs", _EMPTY, times),
        ]


class Messages:
    """A message between two processes of a host, sent, taken and answered: processor time of the host for one of the two."""

    name: ClassVar[str] = "messages"
    quick: ClassVar[bool] = False

    async def measure(self, plan: Plan) -> list[Result]:
        async with started(EVERMOON, python("host")) as process:

            async def once(name: str) -> float:
                count = plan.size(2000, 200)
                return 1e6 * float(await process.ask("messages" if name == EVERMOON else "interpreters", count=count))

            values = await plan.interleaved([EVERMOON, _EMPTY], once)
        return [Result("message between processes", "µs", _EMPTY, values, remark="against making an interpreter")]


ROWS: Sequence[Row] = [Processes(), Messages()]
