"""How many executions of an entry go on at once."""

from __future__ import annotations

import asyncio

from runtime.process.concurrency import Concurrency, Permit


async def holds(permit: Permit) -> bool:
    """Whether it is given at once."""
    task = asyncio.create_task(permit.hold())
    await asyncio.sleep(0)
    if task.done():
        return True
    task.cancel()
    await asyncio.wait({task})
    return False


async def test_one_more_than_the_size_waits_for_a_permit_to_come_back() -> None:
    pools = Concurrency()
    first, second, third = (pools.permit("app:f", 2) for _ in range(3))
    assert [await holds(first), await holds(second), await holds(third)] == [True, True, False]
    waiting = asyncio.create_task(third.hold())
    second.give_back()
    await waiting
    assert not await holds(second)
    third.give_back()
    assert await holds(second)


async def test_a_permit_is_held_once_and_given_back_once() -> None:
    pools = Concurrency()
    one, other, third = (pools.permit("app:f", 1) for _ in range(3))
    one.give_back()
    assert [await holds(one), await holds(one)] == [True, True]
    one.give_back()
    one.give_back()
    assert [await holds(other), await holds(third)] == [True, False]


async def test_entries_and_sizes_do_not_wait_for_each_other() -> None:
    pools = Concurrency()
    permits = [pools.permit("app:f", 1), pools.permit("app:g", 1), pools.permit("app:f", 2)]
    assert [await holds(permit) for permit in permits] == [True, True, True]


async def test_without_a_size_there_is_no_limit() -> None:
    pools = Concurrency()
    for permit in [pools.permit("app:f", None) for _ in range(100)]:
        assert await holds(permit)
        permit.give_back()
        assert await holds(permit)
