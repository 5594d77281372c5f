"""Contestants on a real server, and without one: each does the same work, says what it took, and ends with the bench."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bench.contestants.process import Ended, Process, python, started
from bench.plan import Plan
from bench.rows.alone import ORDER, Instance, Replay
from bench.rows.ordinary import ITEMS, PATTERNS
from bench.rows.served import Tiny
from bench.workers import EVERMOON, SB, UN

ARGUMENTS = {"noop": [], "steps": [2], "fan": [3], "timers": [1]}


@pytest.fixture(scope="module")
async def plan(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plan]:
    """One round of everything, without TypeScript's SDK, which would have to be installed."""
    directory = tmp_path_factory.mktemp("bench")
    async with AsyncExitStack() as stack:
        yield Plan(directory, 1, [EVERMOON, UN, SB], True, lambda _: None, stack, 1)


@pytest.mark.parametrize("workflow", ARGUMENTS)
async def test_contestants_come_to_the_same_result(plan: Plan, workflow: str) -> None:
    results = [
        await (await worker.start(workflow, *ARGUMENTS[workflow])).result()
        for worker in (await plan.workers()).values()
    ]
    assert len(results) == 3
    assert results == results[:1] * 3


@pytest.mark.parametrize("row", [Tiny(), Replay(), Instance()], ids=lambda row: row.name)
async def test_a_row_measures_every_contestant(plan: Plan, row: Tiny | Replay | Instance) -> None:
    for result in await row.measure(plan):
        assert set(result.values) == {EVERMOON, UN, SB}
        assert all(value > 0 for values in result.values.values() for value in values)
        assert result.ratio(EVERMOON) is not None


@pytest.mark.parametrize("name", [EVERMOON, UN])
async def test_an_update_answers_with_the_value_it_brought(plan: Plan, name: str) -> None:
    """The contestant itself compares them."""
    history, process = await plan.history(name, "echo", ends=False), await plan.alone(name)
    assert isinstance(await process.ask("update", history=history, value=ORDER, count=2), float)


@pytest.mark.parametrize("item", [*ITEMS, *(name for name in PATTERNS if name.endswith("10 B"))])
async def test_ordinary_lua_runs_in_a_run_and_as_it_is(plan: Plan, item: str) -> None:
    history, process = await plan.history(EVERMOON, "ordinary", "empty", 0), await plan.alone(EVERMOON)
    assert await process.ask("ordinary", history=history, item=item, count=1) > 0
    assert await process.ask("unsealed", item=item, count=1) > 0


async def test_what_a_contestant_cannot_do_is_told(plan: Plan) -> None:
    with pytest.raises(Ended, match=r"un: .*no-such-file"):
        await (await plan.alone(UN)).ask("replay", history="no-such-file")


async def test_a_contestant_ends_when_it_is_left() -> None:
    async with started("host", python("host")) as process:
        assert await process.ask("messages", count=2) > 0
        assert await process.ask("spawn", count=3) > 0
    with pytest.raises((Ended, ConnectionResetError, BrokenPipeError)):
        await process.ask("messages", count=2)


async def test_a_contestant_that_does_not_start_is_told(tmp_path: Path) -> None:
    with pytest.raises(Ended, match="nothing ended with 1"):
        async with started("nothing", python("no_such_module")) as process:
            assert isinstance(process, Process)
