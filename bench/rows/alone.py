"""What a step costs without a server: processor time of a process that does nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from bench.plan import Plan, Row
from bench.result import Result
from bench.workers import EVERMOON, SB, UN


class Replay:
    """A replay by the SDK's `Replayer` of a history the contestant recorded itself, its core's threads included. No server, no download."""

    name: ClassVar[str] = "replay"
    quick: ClassVar[bool] = True

    async def measure(self, plan: Plan) -> list[Result]:
        return [await self._of(plan, count) for count in ([100] if plan.quick else [100, 1000])]

    async def _of(self, plan: Plan, count: int) -> Result:
        names = plan.among(EVERMOON, UN, SB)
        files = await plan.histories(names, "steps", count)

        async def once(name: str) -> float:
            return float(await (await plan.alone(name)).ask("replay", history=files[name])) * 1e3

        return Result(
            f"replay of {count:,} activities", "ms", UN, await plan.interleaved(names, once), {EVERMOON: 0.85}
        )


class Instance:
    """Making a workflow instance and giving it every activation of its life: processor time from `create_instance` to the last answer.

    What the worker does around that (threads, its core, codecs), and the removal of the instance, are not in it.
    """

    name: ClassVar[str] = "instance"
    quick: ClassVar[bool] = True

    async def measure(self, plan: Plan) -> list[Result]:
        noop = await self._of(plan, "noop", "instance: noop", 1.5)
        return [noop, await self._of(plan, "steps", "instance: one activity", 1.2, 1)]

    async def _of(self, plan: Plan, workflow: str, title: str, target: float, *args: Any) -> Result:
        names = plan.among(EVERMOON, UN, SB)
        files = await plan.histories(names, workflow, *args)

        async def once(name: str) -> float:
            return float(await (await plan.alone(name)).ask("instance", history=files[name], count=50)) * 1e6

        return Result(title, "µs", UN, await plan.interleaved(names, once), {EVERMOON: target})


#: About 1 KB of JSON, as an order is.
ORDER = {
    "id": "o-1",
    "customer": {"name": "ann", "since": 2019, "vip": False},
    "items": [{"sku": f"sku-{n}", "quantity": n, "price": 1.5 * n, "tags": ["new", "blue"]} for n in range(12)],
    "note": "leave it with the neighbours " * 6,
}


class Value:
    """A value of 1 KB that an update brings and answers with: the step with it less the same step with `null` right after it.

    So what the update itself costs is not in it; reading the value into the script's tables, writing it, and copying it on the way are.
    """

    name: ClassVar[str] = "value"
    quick: ClassVar[bool] = True

    async def measure(self, plan: Plan) -> list[Result]:
        names, base = plan.among(EVERMOON, UN), "json.loads + dumps"
        files = await plan.histories(names, "echo", ends=False)

        async def once(name: str) -> float:
            if name == base:
                return float(await (await plan.alone(EVERMOON)).ask("plain", value=ORDER, count=400)) * 1e6
            process = await plan.alone(name)
            return float(await process.ask("update", history=files[name], value=ORDER, count=100)) * 1e6

        values = await plan.interleaved([*names, base], once)
        return [Result("1 KB value in and out of a step", "µs", base, values, {EVERMOON: 2})]


class Coroutines:
    """A message to a run in which many coroutines wait for something else, against one in which one waits."""

    name: ClassVar[str] = "coroutines"
    quick: ClassVar[bool] = True

    async def measure(self, plan: Plan) -> list[Result]:
        return [
            await _growth(plan, name, "a message to a run of parked coroutines", "coroutines", (1, 3000))
            for name in plan.among(*([EVERMOON] if plan.quick else [EVERMOON, UN]))
        ]


class Inbox:
    """A message of many that one workflow task brings and that the run takes from its inbox, against one alone."""

    name: ClassVar[str] = "inbox"
    quick: ClassVar[bool] = False

    async def measure(self, plan: Plan) -> list[Result]:
        results = []
        for name in plan.among(EVERMOON, UN):
            history = await plan.history(name, "parked", 1, ends=False)

            async def once(label: str, name: str = name, history: str = history) -> float:
                each, process = int(label.split()[0].replace(",", "")), await plan.alone(name)
                count = max(1, 200 // each)
                return 1e6 * float(await process.ask("signals", history=history, args=[1], count=count, each=each))

            values = await plan.interleaved(["1 at once", "2,000 at once"], once)
            results.append(Result(f"{name}: a message of those of one task", "µs", "1 at once", values))
        return results


async def _growth(plan: Plan, name: str, what: str, unit: str, sizes: Sequence[int]) -> Result:
    history = await plan.history(name, "parked", 1, ends=False)
    labels = {f"{size:,} {unit}": size for size in sizes}

    async def once(label: str) -> float:
        process = await plan.alone(name)
        return 1e6 * float(
            await process.ask("signals", history=history, args=[labels[label]], count=plan.size(100, 30))
        )

    values = await plan.interleaved(list(labels), once)
    return Result(f"{name}: {what}", "µs", next(iter(labels)), values)


ROWS: Sequence[Row] = [Replay(), Instance(), Value(), Coroutines(), Inbox()]
