"""What is published reaches those who follow by another process, and outlives whatever ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.app.runtime import Runtime
from runtime.modules.stream.memory import MemoryStreams
from runtime.temporal.dev_server import DevServer
from runtime.temporal.history.run_chain import Histories
from tests import databases
from tests.http.site import Site
from tests.http.test_events import blocks, heard
from tests.http.test_streams import ACTIVITY, STORES, WORDS, are_rising, named, serving, store_of, told, until, write

#: An activity that publishes a number whenever it is told to, and a workflow that goes on as new between two of them.
COUNTS = """
return function(round, last)
    local from = (round - 1) * 5 + 1
    assert(funcs.call("web:counts", from))
    process.listen("next" .. round):receive()
    if round == last then return "done" end
    process.upgrade(nil, round + 1, last)
end
"""
COUNTING = """
local stream, activity = require("stream"), require("activity")
return function(from)
    local first = activity.info().heartbeat_details or from
    for n = first, from + 4 do
        assert(stream.publish("numbers", n, { position = n }))
        activity.heartbeat(n + 1)
        time.sleep("20ms")
    end
    return from
end
"""
ENTRIES = """
  - {name: hops, kind: workflow.lua, source: file://hops.lua, modules: [funcs], meta: {temporal: {workflow: {worker: worker}}}}
  - {name: counts, kind: function.lua, source: file://counts.lua, modules: [stream, activity, time]"""


def hopping(directory: Path, store: str) -> Path:
    (directory / "hops.lua").write_text(COUNTS)
    (directory / "counts.lua").write_text("local time = require('time')\n" + COUNTING)
    return write(directory, f"{ENTRIES}{ACTIVITY}\n{store}")


@asynccontextmanager
async def apart(registry: Path, server: DevServer) -> AsyncIterator[tuple[Runtime, Site, Site]]:
    """A runtime with workers, and two that only serve HTTP."""
    async with AsyncExitStack() as stack:
        workers = await stack.enter_async_context(Runtime.open(registry, temporal=server.address, environ={}))
        sites = [await stack.enter_async_context(serving(registry, server, workers=False)) for _ in range(2)]
        yield workers, sites[0], sites[1]


@pytest.mark.parametrize("kind", ["sqlite", "postgres", "redis"])
async def test_every_host_tells_the_same_also_across_continue_as_new(
    kind: str, tmp_path: Path, temporal_server: DevServer, request: pytest.FixtureRequest
) -> None:
    async with apart(hopping(tmp_path, store_of(kind, request)), temporal_server) as (workers, one, other):
        run = (await workers.start("web:hops", 1, 2)).id
        path = f"/api/v1/runs/{run}"
        following = asyncio.create_task(heard(one, path))
        async with other.session.get(f"{other.url}{path}/events") as response:
            events = blocks(response)
            seen = [await named(events, "stream") for _ in range(3)]
        later = asyncio.create_task(
            heard(other, path, seen[-1].id)
        )  # the client dropped, and comes back by another host
        for hop in (1, 2):
            await workers.send(run, f"next{hop}")
        whole = await following
        assert told(whole) == list(range(1, 11))
        assert are_rising(whole)
        assert told(await later) == list(range(4, 11))
        assert await heard(other, path) == whole
        async with serving(tmp_path / "registry.yaml", temporal_server, workers=False) as fresh:
            assert await heard(fresh, path) == whole
            for event in whole[:-1:3]:
                assert await heard(fresh, path, event.id) == whole[whole.index(event) + 1 :]


async def test_nothing_is_lost_when_redis_is_away_for_a_while(tmp_path: Path, temporal_server: DevServer) -> None:
    with databases.directory_of("redis") as (directory, user):
        port = databases.free_port()
        registry = hopping(tmp_path, f"  - {{name: streams, kind: stream.redis, url: 'redis://127.0.0.1:{port}/0'}}")
        async with apart(registry, temporal_server) as (workers, one, other):
            run = (await workers.start("web:hops", 1, 3)).id
            path = f"/api/v1/runs/{run}"
            with databases.redis_on(directory, user, port):
                following = asyncio.create_task(heard(one, path))
                await until(other, run, "stream")
            await workers.send(run, "next1")  # it publishes while nobody takes it
            with databases.redis_on(directory, user, port):
                for hop in (2, 3):
                    await workers.send(run, f"next{hop}")
                await workers.result(run)
                whole = await following
                assert told(whole) == list(range(1, 16))
                assert are_rising(whole)
                assert await heard(other, path) == whole


async def test_who_comes_back_after_what_he_missed_was_dropped_begins_anew(
    tmp_path: Path, temporal_server: DevServer
) -> None:
    store = "  - {name: streams, kind: stream.memory, max_events: 3}"
    async with serving(hopping(tmp_path, store), temporal_server) as web:
        run = (await web.runtime.start("web:hops", 1, 1)).id
        path = f"/api/v1/runs/{run}"
        async with web.session.get(f"{web.url}{path}/events") as response:
            first = await named(blocks(response), "stream")
        await web.runtime.send(run, "next1")
        await web.runtime.result(run)
        [reset, *again] = await heard(web, path, first.id)
        assert (reset.name, told(again), again[0].name) == ("reset", [3, 4, 5], "started")
        late = await heard(web, path)
        assert late == again


async def test_a_thousand_who_follow_one_run_are_one_reader_of_it(
    tmp_path: Path, temporal_server: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Counter[str] = Counter()

    def counted(owner: type, name: str) -> None:
        whole = getattr(owner, name)

        def count(*args: Any, **kwargs: Any) -> Any:
            asked[name] += 1
            return whole(*args, **kwargs)

        monkeypatch.setattr(owner, name, count)

    for name in ("read", "mark", "changed"):
        counted(MemoryStreams, name)
    for name in ("pages", "chain", "now"):
        counted(Histories, name)

    async with serving(write(tmp_path, STORES["memory"]), temporal_server) as web:
        run = (await web.runtime.start("web:answer", WORDS)).id
        reading = asyncio.Semaphore(0)

        async def follows() -> list[str]:
            found: list[str] = []
            async with web.runtime.follow(run) as feed:
                async for event in feed:
                    found.append(f"{event.id} {event.name}")
                    if event.name == "step.completed":
                        reading.release()
            return found

        before = len(asyncio.all_tasks())
        following = [asyncio.create_task(follows()) for _ in range(1000)]
        for _ in following:
            await reading.acquire()
        assert len(asyncio.all_tasks()) - before - len(following) < 20
        assert await web.runtime.call("web:tell", run) is True
        await web.runtime.send(run, "go")
        first, *others = await asyncio.gather(*following)
        assert [text.partition(" ")[2] for text in first].count("stream") == len(WORDS) + 1
        assert [other for other in others if other != first] == []
        assert (asked["pages"], asked["chain"], asked["now"]) == (1, 1, 1)
        assert max(asked.values()) < 100


async def test_a_reload_that_names_another_store_is_taken_up(tmp_path: Path, temporal_server: DevServer) -> None:
    """What was published stays in the former one: who comes back is told to begin anew."""
    registry = write(tmp_path, STORES["memory"])
    text = registry.read_text()
    async with serving(registry, temporal_server) as web:
        run = (await web.runtime.start("web:answer", WORDS)).id
        path = f"/api/v1/runs/{run}"
        async with web.session.get(f"{web.url}{path}/events") as response:
            events = blocks(response)
            first = await named(events, "stream")
            await named(events, "step.completed")
            registry.write_text(text.replace("name: tell,", "name: tells,"))  # the same store
            await web.runtime.reload()
            assert await web.runtime.call("web:tells", run) is True
            assert (await named(events, "stream")).data["data"] == "hello"
            registry.write_text(text.replace(STORES["memory"], STORES["sqlite"]))
            await web.runtime.reload()
            assert [event async for event in events] == []
        assert await web.runtime.call("web:tell", run) is True
        await web.runtime.send(run, "go")
        reset, *again = await heard(web, path, first.id)
        assert (reset.name, again[0].name, told(again)) == ("reset", "started", ["hello"])
        async with serving(registry, temporal_server, workers=False) as other:
            assert await heard(other, path) == again
