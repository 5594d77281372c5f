"""What the HTTP server costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar

import aiohttp

from bench.contestants.process import Process, python, started
from bench.plan import Plan, Row
from bench.result import Result
from bench.workers import EVERMOON, Handle, Worker, parked, side

_NOBODY, _BARE = "nobody", "bare start"


class Post:
    """A start by `POST /api/v1/workflows/…` until its 202, against the SDK's own `start_workflow`, one after another: wall clock, which is
    mostly that of the Temporal server behind both; and processor time of the process that asks it, the HTTP server or a Python with nothing but the
    SDK. Nobody runs what is started.
    """

    name: ClassVar[str] = "post"
    quick: ClassVar[bool] = True

    async def measure(self, plan: Plan) -> list[Result]:
        async with side(plan.directory / "post") as one, AsyncExitStack() as stack:
            http, url = await stack.enter_async_context(_web(one.address, _NOBODY, str(one.directory)))
            sdk = await stack.enter_async_context(started(_BARE, python("starter", one.address, _NOBODY)))
            session = await stack.enter_async_context(aiohttp.ClientSession())

            async def start(name: str, number: int) -> None:
                await (_post(session, url, number) if name == EVERMOON else sdk.ask("start", number=number))

            async def wall(name: str) -> float:
                begun = asyncio.get_running_loop().time()
                await start(name, 1)
                return (asyncio.get_running_loop().time() - begun) * 1e3

            async def cpu(name: str) -> float:
                process, number = http if name == EVERMOON else sdk, 25
                before = process.cpu()
                await start(name, number)
                return (process.cpu() - before) / number * 1e3

            on_the_clock = await plan.interleaved([EVERMOON, _BARE], wall, plan.size(300, 60))
            processor = await plan.interleaved([EVERMOON, _BARE], cpu)
        return [
            Result("`POST` → 202, on the clock", "ms", _BARE, on_the_clock, {EVERMOON: 1.15}),
            Result("`POST` → 202, processor time of who asks Temporal", "ms", _BARE, processor),
        ]


async def _post(session: aiohttp.ClientSession, url: str, number: int) -> None:
    for _ in range(number):
        async with session.post(f"{url}/api/v1/workflows/bench:noop?worker={_NOBODY}") as answer:
            if answer.status != 202:
                raise RuntimeError(f"{answer.status}: {await answer.text()}")
            await answer.read()


class Listeners:
    """An event of a run that many follow by Server-Sent Events: processor time of the HTTP server for each event and listener, from the
    signal until the last has heard it; against one listener, which has what the event itself costs to itself. The worker is another process.
    """

    name: ClassVar[str] = "sse"
    quick: ClassVar[bool] = False

    async def measure(self, plan: Plan) -> list[Result]:
        shapes = {
            "1 run × 1": (1, 1),
            f"1 run × {plan.size(1000, 200):,}": (1, plan.size(1000, 200)),
            "200 runs × 5": (200, 5),
        }
        waits: dict[str, list[float]] = {label: [] for label in shapes}
        async with side(plan.directory / "sse") as one:
            (worker,) = await one.workers([EVERMOON])
            async with _web(one.address, worker.queue, str(one.directory)) as (process, url), _session() as session:

                async def once(label: str) -> float:
                    runs, each = shapes[label]
                    cpu, wall = await _followed(worker, process, session, url, runs, each)
                    waits[label].append(wall * 1e3)
                    return cpu * 1e6

                values = await plan.interleaved(list(shapes), once, plan.rounds or plan.size(5, 3))
        told = ", ".join(f"{label} {sorted(seen)[len(seen) // 2]:.0f} ms" for label, seen in waits.items())
        return [
            Result("SSE: one event to one listener", "µs", "1 run × 1", values, remark=f"until the last had it: {told}")
        ]


async def _followed(
    worker: Worker, process: Process, session: aiohttp.ClientSession, url: str, runs: int, each: int
) -> tuple[float, float]:
    """Seconds of the server's processor for each event delivered, and on the clock until all were."""
    signals = 3
    handles = await worker.start_many(runs, "signals", signals + 1)
    await parked(handles)
    heard = [_Heard() for _ in range(runs * each)]
    following = [
        asyncio.create_task(_follow(session, url, handle, heard[number * each + listener]))
        for number, handle in enumerate(handles)
        for listener in range(each)
    ]
    await _until_all(heard, following, "started", 1)
    before, begun = process.cpu(), asyncio.get_running_loop().time()
    for number in range(signals):
        await asyncio.gather(*(handle.signal("tick", 1) for handle in handles))
        await _until_all(heard, following, "signal", number + 1)
    cpu, wall = process.cpu() - before, asyncio.get_running_loop().time() - begun
    await asyncio.gather(*(handle.signal("tick", 1) for handle in handles))
    await asyncio.gather(*following)
    return cpu / signals / len(heard), wall / signals


class _Heard:
    """What one listener has been told so far: how many events of each name."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.news = asyncio.Event()

    def add(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1
        self.news.set()

    async def until(self, name: str, number: int) -> None:
        while self.counts.get(name, 0) < number:
            self.news.clear()
            await self.news.wait()


async def _until_all(heard: Sequence[_Heard], following: Sequence[asyncio.Task[None]], name: str, number: int) -> None:
    waiting = asyncio.gather(*(one.until(name, number) for one in heard))
    tasks: list[asyncio.Future[Any]] = [waiting, *following]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        waiting.cancel()
        failed = next((task for task in following if task.done() and task.exception()), None)
        raise RuntimeError(f"a listener ended early: {failed.exception() if failed else 'the stream ended'}")


async def _follow(session: aiohttp.ClientSession, url: str, handle: Handle, heard: _Heard) -> None:
    async with session.get(f"{url}/api/v1/runs/{handle.id}/events") as answer:
        answer.raise_for_status()
        async for line in answer.content:
            if line.startswith(b"event: "):
                heard.add(line[7:].strip().decode())


@asynccontextmanager
async def _session() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
        yield session


@asynccontextmanager
async def _web(address: str, queue: str, directory: str) -> AsyncIterator[tuple[Process, str]]:
    async with started("http", python("web", address, queue, directory)) as process:
        yield process, str(await process.ask("url")).rstrip("/")


ROWS: Sequence[Row] = [Post(), Listeners()]
