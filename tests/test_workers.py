"""The watch over a test's workers."""

from __future__ import annotations

import asyncio

import pytest

from tests.workers import Watch, WorkerEnded


async def test_a_worker_that_ends_ends_the_wait_for_what_it_would_do() -> None:
    async def end() -> None:
        watch(ValueError("why"))
        watch(ValueError("another"))

    with pytest.raises(WorkerEnded, match="why") as ended:
        async with Watch() as watch:
            ending = asyncio.create_task(end())
            await asyncio.Event().wait()
    assert str(ended.value.__cause__) == "why"
    await ending


async def test_workers_that_go_on_change_nothing() -> None:
    async with Watch() as watch:
        await asyncio.sleep(0)
    assert watch.error is None
