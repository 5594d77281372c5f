"""The watch over a test's workers."""

from __future__ import annotations

import asyncio

import pytest

from tests.workers import Watch, WorkerEnded


async def test_a_worker_that_ends_ends_the_wait_for_what_it_would_do() -> None:
    async def end(watch: Watch) -> None:
        watch(ValueError("why"))
        watch(ValueError("another"))

    async def wait() -> None:
        async with Watch() as watch, asyncio.TaskGroup() as others:
            others.create_task(end(watch))
            await asyncio.Event().wait()

    with pytest.raises(WorkerEnded, match="why") as ended:
        await wait()
    assert str(ended.value.__cause__) == "why"


async def test_workers_that_go_on_change_nothing() -> None:
    async with Watch() as watch:
        await asyncio.sleep(0)
    assert watch.error is None
