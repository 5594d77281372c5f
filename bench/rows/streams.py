"""What publishing costs whoever publishes."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from bench.plan import Plan, Row
from bench.result import Result
from runtime.contracts import RunPosition
from runtime.modules.stream.memory import MemoryStreams
from runtime.modules.stream.sql import opened_file
from runtime.modules.stream.store import DEFAULT, StreamStore
from runtime.modules.stream.streams import Streams
from runtime.payload import Payload
from runtime.registry import Registry

#: Streams, and tokens a second on each of them; how often a second a stream gets some.
_STREAMS, _TOKENS, _BEATS = 100, 200, 20
_MEMORY, _FILE, _PACE = "in memory", "SQLite file", "the pace alone"


class Publishing:
    """100 streams with 200 tokens a second each, published by one process: its processor time for a second of that, threads of the store
    included, as percent of a core; against a loop of the same pace that publishes nothing.
    """

    name: ClassVar[str] = "publish"
    quick: ClassVar[bool] = True

    async def measure(self, plan: Plan) -> list[Result]:
        seconds = plan.size(3, 1)

        async def once(name: str) -> float:
            if name == _PACE:
                return await _percent(seconds, [lambda _token: None] * _STREAMS)
            async with _publishers(name, plan.directory) as publishers:
                return await _percent(seconds, publishers)

        values = await plan.interleaved([_MEMORY, _FILE, _PACE], once, plan.rounds or plan.size(5, 3))
        title = f"{_STREAMS} streams × {_TOKENS} tokens a second"
        return [Result(title, "% of a core", _PACE, values, {_MEMORY: 5, _FILE: 5}, absolute=True)]


Publish = Callable[[str], object]


@asynccontextmanager
async def _publishers(name: str, directory: Path) -> AsyncIterator[list[Publish]]:
    store: StreamStore
    if name == _FILE:
        store = await opened_file(directory / f"streams-{uuid.uuid4().hex[:8]}.db", DEFAULT)
    else:
        store = MemoryStreams()
    streams = Streams(Registry(directory, {}, environ={}), _position, given=store)
    try:
        yield [partial(_publish, streams.outlet("bench:f", f"pid-{n}", None), f"run-{n}") for n in range(_STREAMS)]
    finally:
        await streams.close()


async def _position(run: str, _run_id: str | None) -> RunPosition:
    return RunPosition(run, 1)


def _publish(outlet: Any, run: str, token: str) -> None:
    outlet.publish("tokens", Payload.of(token), None, run)


async def _percent(seconds: int, publishers: Sequence[Publish]) -> float:
    loop = asyncio.get_running_loop()
    before, begun = time.process_time(), loop.time()
    for beat in range(seconds * _BEATS):
        for publish in publishers:
            for _ in range(_TOKENS // _BEATS):
                publish("token")
        await asyncio.sleep(max(0.0, begun + (beat + 1) / _BEATS - loop.time()))
    return (time.process_time() - before) / (loop.time() - begun) * 100


ROWS: Sequence[Row] = [Publishing()]
