"""Backoff: the pauses between tries, and what ends one."""

from __future__ import annotations

import asyncio

import pytest

from runtime.backoff import Backoff, delay_after


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(1, 10)
    assert [backoff.failed() for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    assert backoff.failures == 6


def test_after_a_success_they_begin_anew() -> None:
    backoff = Backoff(1, 10)
    backoff.failed()
    backoff.failed()
    backoff.reset()
    assert (backoff.failures, backoff.failed(), backoff.failed()) == (0, 1, 2)


@pytest.mark.parametrize(("failures", "delay"), [(1, 1), (2, 3), (3, 9), (100_000, 90)])
def test_they_grow_by_a_factor_after_any_number_of_failures(failures: int, delay: float) -> None:
    assert delay_after(failures, 1, 90, 3) == delay


async def test_a_pause_ends_when_what_it_waits_for_happens() -> None:
    backoff, happened = Backoff(3600, 3600), asyncio.Event()
    pause = asyncio.create_task(backoff.pause(until=happened))
    await asyncio.sleep(0)
    assert not pause.done()
    happened.set()
    await pause
    assert backoff.failures == 1


async def test_a_pause_ends_by_itself() -> None:
    backoff, never = Backoff(0.001, 0.001), asyncio.Event()
    await backoff.pause()
    await backoff.pause(until=never)
    assert (backoff.failures, never.is_set()) == (2, False)
