"""The workloads in Python: what `entries/` has in Lua and `node/workflows.mjs` in TypeScript's SDK."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow

_TIMEOUT = timedelta(minutes=10)


@activity.defn
async def add(n: int) -> int:
    return n + 1


@workflow.defn(name="noop")
class Noop:
    @workflow.run
    async def run(self) -> int:
        return 1


@workflow.defn(name="steps")
class Steps:
    @workflow.run
    async def run(self, count: int) -> int:
        n = 0
        for _ in range(count):
            n = await workflow.execute_activity(add, n, start_to_close_timeout=_TIMEOUT)
        return n


@workflow.defn(name="fan")
class Fan:
    @workflow.run
    async def run(self, count: int) -> int:
        calls = (workflow.execute_activity(add, i + 1, start_to_close_timeout=_TIMEOUT) for i in range(count))
        return sum(await asyncio.gather(*calls))


@workflow.defn(name="signals")
class Signals:
    """Takes messages from a list, in order, as a mailbox does."""

    def __init__(self) -> None:
        self._inbox: list[Any] = []

    @workflow.run
    async def run(self, count: int) -> int:
        for _ in range(count):
            await workflow.wait_condition(lambda: bool(self._inbox))
            self._inbox.pop(0)
        return count

    @workflow.signal
    def tick(self, value: Any) -> None:
        self._inbox.append(value)


@workflow.defn(name="timers")
class Timers:
    @workflow.run
    async def run(self, count: int) -> int:
        for _ in range(count):
            await asyncio.sleep(0.001)
        return count


@workflow.defn(name="echo")
class Echo:
    def __init__(self) -> None:
        self._ended = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self._ended)

    @workflow.update
    def echo(self, value: Any) -> Any:
        return value

    @workflow.signal
    def tick(self, value: Any) -> None:
        self._ended = True


@workflow.defn(name="parked")
class Parked:
    """`count` coroutines that wait for ever, and the first one for messages."""

    def __init__(self) -> None:
        self._inbox: list[Any] = []

    @workflow.run
    async def run(self, count: int) -> None:
        never = asyncio.Event()
        waiting = [asyncio.create_task(never.wait()) for _ in range(count - 1)]
        while len(waiting) < count:
            await workflow.wait_condition(lambda: bool(self._inbox))
            self._inbox.pop(0)

    @workflow.signal
    def tick(self, value: Any) -> None:
        self._inbox.append(value)


WORKFLOWS = [Noop, Steps, Fan, Signals, Timers, Echo, Parked]
