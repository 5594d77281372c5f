"""Ordinary Lua in a run against the same Lua as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from bench.contestants.process import Ended
from bench.plan import Plan, Row
from bench.result import Result
from bench.workers import EVERMOON

_PLAIN = "plain Lua"

#: Item of `entries/ordinary.lua`: turns, so that plain Lua takes a few milliseconds.
ITEMS = {
    "arithmetic": 1000,
    "closures": 500,
    "pairs, 4 keys": 10000,
    "pairs, 16 keys": 5000,
    "pairs, 1,000 keys": 100,
    "pairs, an array of 10": 10000,
    "next, 16 keys": 5000,
    "ipairs, 100 items": 2000,
    "table.insert and remove": 500,
    "table.concat of 100": 500,
    "table.sort of 100": 200,
    "coroutine.resume": 300,
    "methods through setmetatable": 2000,
    "pcall": 1000,
    "string.format": 100,
}
_SIZES = {"10 B": 5000, "1 KB": 200, "100 KB": 3, "1 MB": 1}
PATTERNS = {
    f"{what}, {size}": turns
    for what in ("gmatch of words", "gmatch of pairs", "trim", "find of digits", "gsub of words")
    for size, turns in _SIZES.items()
}
_QUICK = (
    "arithmetic", "pairs, 4 keys", "next, 16 keys", "table.insert and remove", "coroutine.resume",
    "methods through setmetatable", "pcall",
)  # fmt: skip
_QUICK_PATTERNS = ("gmatch of words, 1 KB", "gmatch of pairs, 1 KB", "trim, 1 KB")


class Ordinary:
    """Loops of everyday Lua in the first step of a run against plain lupa: the whole less the same with an empty loop, so that the
    interpreter's making, the loading of the script and what fills a table once are in neither. `pairs` against Lua's own, not our sorted one.
    """

    name: ClassVar[str] = "lua"
    quick: ClassVar[bool] = True

    async def measure(self, plan: Plan) -> list[Result]:
        return await _items(plan, {item: ITEMS[item] for item in _QUICK} if plan.quick else ITEMS, 8)


class Patterns:
    """As `lua`, for searches in texts of 10 bytes to 1 MB. One that ends the run, as its limit is spent, is told of instead."""

    name: ClassVar[str] = "patterns"
    quick: ClassVar[bool] = True

    async def measure(self, plan: Plan) -> list[Result]:
        return await _items(plan, {item: PATTERNS[item] for item in _QUICK_PATTERNS} if plan.quick else PATTERNS, 3)


async def _items(plan: Plan, items: dict[str, int], target: float) -> list[Result]:
    results = []
    for item, turns in items.items():
        plan.tell(item)
        try:
            results.append(await _item(plan, item, turns, target))
        except Ended as ended:
            plan.notes.append(f"{item}: not measured, {ended}")
    return results


async def _item(plan: Plan, item: str, turns: int, target: float) -> Result:
    history = await plan.history(EVERMOON, "ordinary", "empty", 0)

    async def once(name: str) -> float:
        process = await plan.alone(EVERMOON)
        asked = {"history": history} if name == EVERMOON else {}
        what = "ordinary" if name == EVERMOON else "unsealed"
        whole = await process.ask(what, item=item, count=turns, **asked)
        return max(float(whole - await process.ask(what, item=item, count=0, **asked)), 1e-7) / turns * 1e6

    values = await plan.interleaved([EVERMOON, _PLAIN], once)
    return Result(item, "µs", _PLAIN, values, {EVERMOON: target})


ROWS: Sequence[Row] = [Ordinary(), Patterns()]
