"""Whether one more costs more where there are many already. Each is against itself with few."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from bench.contestants.served import REGISTRY
from bench.plan import Plan, Row
from bench.result import Result
from bench.workers import EVERMOON, SB, UN, Watch, side


class Entries:
    """Worker CPU of a tiny workflow where the registry has thousands of functions, against ten more than it needs."""

    name: ClassVar[str] = "entries"
    quick: ClassVar[bool] = False

    async def measure(self, plan: Plan) -> list[Result]:
        labels = {f"{number:,} entries": number for number in (10, plan.size(5000, 1000))}
        folders = [_grown(plan.directory / label.replace(" ", "-"), number) for label, number in labels.items()]
        runs = plan.size(100, 40)
        async with side(plan.directory / "entries") as one:
            workers = dict(zip(labels, await one.evermoons(folders), strict=True))

            async def once(label: str) -> float:
                watch = Watch(workers[label])
                await workers[label].run_many(runs, "steps", 1)
                return watch.cost().cpu / runs * 1e6

            values = await plan.interleaved(list(labels), once)
        return [Result("evermoon: a tiny workflow beside many entries", "µs", next(iter(labels)), values)]


class History:
    """Replay of a long history, for each of its events, against a short one."""

    name: ClassVar[str] = "history"
    quick: ClassVar[bool] = False

    async def measure(self, plan: Plan) -> list[Result]:
        # An activity and its workflow task leave six events.
        steps = {"100 events": 16, f"{plan.size(5000, 1000):,} events": plan.size(833, 166)}
        names = plan.among(EVERMOON, UN, SB)
        for count in steps.values():
            await plan.histories(names, "steps", count)
        results = []
        for name in names:

            async def once(label: str, name: str = name) -> float:
                file = await plan.history(name, "steps", steps[label])
                seconds = float(await (await plan.alone(name)).ask("replay", history=file))
                return seconds / (steps[label] * 6 + 5) * 1e6

            values = await plan.interleaved(list(steps), once)
            results.append(Result(f"{name}: replay, for each event", "µs", "100 events", values))
        return results


def _grown(folder: Path, number: int) -> Path:
    """The registry of the bench with so many functions more, all of one file; its own file."""
    shutil.copytree(REGISTRY, folder)
    more = (
        f'  - {{name: add{index}, kind: function.lua, source: "file://add.lua", meta: {{temporal: {{activity: {{worker: worker}}}}}}}}\n'
        for index in range(number)
    )
    file = folder / "registry.yaml"
    file.write_text(file.read_text() + "".join(more))
    (folder / "processes.yaml").unlink()
    return file


ROWS: Sequence[Row] = [Entries(), History()]
