"""Runs that wait: what each costs in memory, and what many cost those that go on."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from bench.plan import Plan, Row
from bench.result import Result
from bench.workers import ASLEEP, EVERMOON, SB, TS, UN, Handle, Watch, Worker, parked, side, signal_all


class Parked:
    """KiB of the worker process for each run that has begun and waits, on a real server: private memory after less before, both when the
    worker has given back what it does not use. A fresh worker each round; ten runs have gone through it before, so that code is loaded.
    """

    name: ClassVar[str] = "parked"
    quick: ClassVar[bool] = True

    async def measure(self, plan: Plan) -> list[Result]:
        count = plan.size(2000, 200)
        names = plan.among(EVERMOON, ASLEEP, UN, SB, TS)

        async def once(name: str) -> float:
            async with side(plan.directory / "parked") as one:
                (worker,) = await one.workers([name])
                await worker.run_many(10, "noop")
                before = await worker.process.memory()
                await parked(await worker.start_many(count, "signals", 1))
                return (await worker.process.memory() - before) / count

        values = await plan.interleaved(names, once, plan.rounds or plan.size(3, 1), warm=False)
        return [Result(f"parked run on a real server, one of {count:,}", "KiB", UN, values, {EVERMOON: 60, ASLEEP: 60}, absolute=True)]  # fmt: skip


class OpenRuns:
    """A signal to some run of many that wait, against one of a hundred: worker CPU for each, on two workers of one server.

    Which run is drawn anew each time, so most sleep where runs can. Without hibernation as many are open as fit into memory.
    """

    name: ClassVar[str] = "open-runs"
    quick: ClassVar[bool] = False

    async def measure(self, plan: Plan) -> list[Result]:
        name = ASLEEP if ASLEEP in plan.names else EVERMOON
        many = plan.size(50_000 if name == ASLEEP else 4000, 1000)
        labels = {"100 open": 100, f"{many:,} open": many}
        async with side(plan.directory / "open") as one:
            workers = dict(zip(labels, await one.workers([name, name]), strict=True))
            crowds = {label: await _Crowd.of(plan, workers[label], labels[label]) for label in labels}
            values = await plan.interleaved(list(labels), lambda label: crowds[label].signalled())
        return [Result(f"{name}: a signal to one of many open runs", "µs", "100 open", values)]


class _Crowd:
    """Runs that wait, and how often each was signalled."""

    def __init__(self, plan: Plan, worker: Worker, handles: Sequence[Handle]) -> None:
        self._chance = random.Random(plan.seed)
        self._worker = worker
        self._handles = handles
        self._signalled: Counter[str] = Counter()

    @classmethod
    async def of(cls, plan: Plan, worker: Worker, count: int) -> _Crowd:
        handles: list[Handle] = []
        while len(handles) < count:
            handles += (more := await worker.start_many(min(500, count - len(handles)), "parked", 1))
            await parked(more)
            plan.tell(f"{len(handles):,} of {count:,} runs wait")
        return cls(plan, worker, handles)

    async def signalled(self) -> float:
        """µs of the worker's processor for each of 100 signals, each to another run, until all have been taken."""
        chosen = self._chance.sample(self._handles, 100)
        self._signalled.update(handle.id for handle in chosen)
        watch = Watch(self._worker)
        await signal_all(chosen)
        for handle in chosen:
            await parked([handle], 4 + 4 * self._signalled[handle.id])  # a signal and the three events of its task
        return watch.cost().cpu / len(chosen) * 1e6


ROWS: Sequence[Row] = [Parked(), OpenRuns()]
