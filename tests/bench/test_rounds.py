"""How a row goes through its rounds."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bench.plan import Plan
from bench.rows import ROWS


def plan(seed: int = 1, rounds: int | None = None, quick: bool = True) -> Plan:
    return Plan(Path(), seed, ["a", "b"], quick, lambda _: None, AsyncExitStack(), rounds)


async def order_of(one: Plan, *, warm: bool = True) -> tuple[list[str], dict[str, list[float]]]:
    asked: list[str] = []

    async def once(name: str) -> float:
        asked.append(name)
        return float(len(asked))

    return asked, dict(await one.interleaved(["a", "b", "c"], once, warm=warm))


async def test_contestants_take_turns_and_the_first_round_does_not_count() -> None:
    asked, values = await order_of(plan(rounds=4))
    rounds = [sorted(asked[n : n + 3]) for n in range(0, len(asked), 3)]
    assert rounds == [["a", "b", "c"]] * 5
    assert {name: len(seen) for name, seen in values.items()} == {"a": 4, "b": 4, "c": 4}
    assert min(min(seen) for seen in values.values()) == 4.0  # the first three were asked, and not kept


async def test_without_a_warm_round_every_one_counts() -> None:
    asked, values = await order_of(plan(rounds=2), warm=False)
    assert len(asked) == 6
    assert sorted(value for seen in values.values() for value in seen) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


async def test_a_seed_repeats_the_order_and_rows_of_one_run_differ() -> None:
    first, again = plan(seed=5, rounds=8), plan(seed=5, rounds=8)
    one, two = (await order_of(first))[0], (await order_of(first))[0]
    assert (await order_of(again))[0] == one
    assert one != two


@pytest.mark.parametrize(("quick", "rounds"), [(True, 3), (False, 11)])
async def test_how_many_rounds_there_are_unless_asked(quick: bool, rounds: int) -> None:
    _, values = await order_of(plan(quick=quick))
    assert len(values["a"]) == rounds


def test_rows_have_names_of_their_own_and_say_what_they_measure() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    assert [row.name for row in ROWS if not (row.__doc__ or "").strip()] == []
