"""What work on a real server costs the worker: processor time of its whole process, from the first start to the last result.

The server's time, and that of who starts and signals, is another process's and in none of these. What the worker's threads do while
they wait for tasks is in it, as it is in production.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from bench.plan import Plan, Row
from bench.result import Result
from bench.workers import EVERMOON, UN, Cost, Watch, Worker, parked, signal_all


@dataclass(frozen=True, slots=True)
class Load:
    """`run` does `items` of something on a worker and says what it took."""

    items: int
    run: Callable[[Worker], Awaitable[Cost]]


class Served:
    """Processor time of the worker for each item, and, to look at only, items a second on the clock: there the server counts most."""

    name: ClassVar[str] = ""
    quick: ClassVar[bool] = True
    title: ClassVar[str] = ""
    target: ClassVar[float | None] = 1.0

    def load(self, plan: Plan) -> Load:
        raise NotImplementedError

    async def measure(self, plan: Plan) -> list[Result]:
        workers, load = await plan.workers(), self.load(plan)
        rates: dict[str, list[float]] = {name: [] for name in workers}

        async def once(name: str) -> float:
            cost = await load.run(workers[name])
            rates[name].append(load.items / cost.wall)
            return cost.cpu / load.items * 1e6

        values = await plan.interleaved(list(workers), once)
        rate = ", ".join(f"{name} {sorted(seen[1:])[len(seen[1:]) // 2]:.0f}" for name, seen in rates.items())
        targets = {} if self.target is None else {EVERMOON: self.target}
        return [Result(self.title, "µs", UN, values, targets, f"a second: {rate}")]


class Tiny(Served):
    """A workflow with one activity, from start to result: the workflow's two tasks and the activity, all on the worker measured."""

    name, title, target = "tiny", "worker CPU per tiny workflow (one activity)", 0.9

    def load(self, plan: Plan) -> Load:
        return _runs(plan.size(200, 30), "steps", 1, items=1)


class Sequential(Served):
    """One more activity of a workflow that calls them one after another. The run's start is shared by 50 of them."""

    name, title = "sequential", "worker CPU per sequential activity"

    def load(self, plan: Plan) -> Load:
        return _runs(plan.size(8, 2), "steps", 50, items=50)


class Fan(Served):
    """One of 200 activities that a workflow calls at once."""

    name, title = "fan", "worker CPU per activity in a fan-out of 200"

    def load(self, plan: Plan) -> Load:
        return _runs(plan.size(3, 1), "fan", 200, items=200)


class Timers(Served):
    """One more timer of a workflow that sleeps several times; the run's start is shared by these."""

    name, title, target = "timer", "worker CPU per timer", 0.9

    def load(self, plan: Plan) -> Load:
        return _runs(plan.size(50, 30), "timers", plan.size(10, 3), items=plan.size(10, 3), at_once=50)


class Signals(Served):
    """A signal that wakes a waiting run, which takes it and waits again: each is a workflow task of its own, and most of it is that
    task's. No start, one end in eight.
    """

    name, title, target = "signal", "worker CPU per signal that wakes a run", None

    def load(self, plan: Plan) -> Load:
        return _signals(plan.size(50, 16), 8)


class Burst(Served):
    """A signal of a few hundred sent to one run as fast as the server takes them: a workflow task brings several. No start, the end is in it."""

    name, title, target = "burst", "worker CPU per signal of a burst", 0.7

    def load(self, plan: Plan) -> Load:
        return _signals(1, plan.size(600, 200), at_once=plan.size(600, 200))


def _signals(runs: int, each: int, at_once: int = 1) -> Load:
    """`each` signals for every run, to every run `at_once` of them together."""

    async def run(worker: Worker) -> Cost:
        handles = await worker.start_many(runs, "signals", each)
        await parked(handles)
        watch = Watch(worker)
        for _ in range(each // at_once):
            await signal_all([handle for handle in handles for _ in range(at_once)], at_once=50)
        for handle in handles:
            await handle.result()
        return watch.cost()

    return Load(runs * each, run)


def _runs(number: int, workflow: str, count: int, *, items: int, at_once: int = 20) -> Load:
    async def run(worker: Worker) -> Cost:
        watch = Watch(worker)
        await worker.run_many(number, workflow, count, at_once=at_once)
        return watch.cost()

    return Load(number * items, run)


ROWS: Sequence[Row] = [Tiny(), Sequential(), Fan(), Signals(), Burst(), Timers()]
