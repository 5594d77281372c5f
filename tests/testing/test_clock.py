"""The virtual clock, and the event loop that lives by it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from runtime.testing.clock import Timers, VirtualClock, VirtualLoop, rfc3339

BEGIN = 1_000_000_000_000_000_000
SECOND = 1_000_000_000


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop(VirtualClock(BEGIN))
    yield loop
    loop.close()


def driven(loop: VirtualLoop, work: Coroutine[Any, Any, Any], until: int) -> Any:
    task = loop.create_task(work)
    loop.drive(BEGIN + until)
    return task


def test_time_passes_to_the_next_timer_and_no_further_than_it_may(loop: VirtualLoop) -> None:
    told = []

    async def sleeps() -> None:
        for _ in range(3):
            await asyncio.sleep(0.001)
            told.append(round(loop.time() * 1000))

    task = driven(loop, sleeps(), 2_000_000)
    assert (told, loop.due) == ([1, 2], BEGIN + 3_000_000)
    loop.drive(BEGIN + 3_000_000)
    assert (told, loop.due, task.done()) == ([1, 2, 3], None, True)


def test_what_is_ready_needs_no_time(loop: VirtualLoop) -> None:
    async def answers() -> int:
        await asyncio.sleep(0)
        return 5

    assert driven(loop, answers(), 0).result() == 5


def test_a_timeout_is_of_this_clock(loop: VirtualLoop) -> None:
    async def late() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await asyncio.Event().wait()
        return loop.time()

    assert driven(loop, late(), 3600 * SECOND).result() == 3600.0


def test_a_thread_is_waited_for(loop: VirtualLoop) -> None:
    begun = asyncio.Event()
    answer: list[object] = []

    async def works() -> None:
        with loop.working():
            begun.set()
            answer.append(await asyncio.to_thread(sum, range(1000)))

    async def hurries() -> None:
        await begun.wait()
        await asyncio.sleep(1)
        answer.append("a second")

    other = loop.create_task(hurries())
    driven(loop, works(), 2 * SECOND)
    assert (answer, other.done()) == ([499500, "a second"], True)


def test_who_works_and_sleeps_does_not_hold_the_clock(loop: VirtualLoop) -> None:
    async def polls() -> str:
        with loop.working():
            await asyncio.sleep(24 * 3600)
        return "a day later"

    task = driven(loop, polls(), 48 * 3600 * SECOND)
    assert task.result() == "a day later"
    assert not loop.is_held


def test_so_does_not_who_waits_for_several_that_sleep(loop: VirtualLoop) -> None:
    async def polls() -> list[int]:
        with loop.working():
            naps = [asyncio.create_task(asyncio.sleep(3600 * n, n)) for n in (1, 2)]
            return [*await asyncio.gather(*naps), await asyncio.create_task(asyncio.sleep(3600, 3))]

    assert driven(loop, polls(), 48 * 3600 * SECOND).result() == [1, 2, 3]


def test_timers_fire_in_order_and_not_when_they_are_cancelled() -> None:
    timers, fired = Timers(), []
    for at, key in ((5, 1), (3, 2), (3, 1000), (4, 3)):
        timers.add(at, key, lambda key=key: fired.append(key))  # type: ignore[misc]
    timers.cancel(3)
    while timers.next_at is not None:
        timers.fire()
    assert fired == [2, 1000, 1]


def test_a_moment_as_text() -> None:
    assert rfc3339(BEGIN) == "2001-09-09T01:46:40Z"
