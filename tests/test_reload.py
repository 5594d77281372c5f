"""A reload takes up everything, and nobody who is being served notices: no request is dropped, no task is lost."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from runtime import Error, Runtime
from runtime.errors import UNAVAILABLE
from runtime.http import HttpOptions
from runtime.registry import RegistryError
from runtime.temporal.dev_server import DevServer
from tests.waiting import eventually

#: `N` is the number of the edit. The worker's options change with it, so each reload replaces the worker of the queue; a worker, a workflow
#: and a route come with each, and go with the next.
REGISTRY = """
version: "1.0"
namespace: app
entries:
  - {name: temporal, kind: temporal.client, address: "127.0.0.1:1"}
  - {name: worker, kind: temporal.worker, client: temporal, task_queue: QUEUE, worker_options: {max_cached_workflows: 10N}}
  - {name: workerN, kind: temporal.worker, client: temporal, task_queue: QUEUE-N}
  - {name: http, kind: http.service, addr: "127.0.0.1:0", timeouts: {idle: 10Ns}}
  - {name: r, kind: http.router, server: http, prefix: /}
  - {name: lib, kind: library.lua, source: file://lib.lua}
  - {name: main, kind: workflow.lua, source: file://code.lua, method: main, modules: [funcs], imports: {lib: lib},
     meta: {temporal: {workflow: {worker: worker}}}}
  - {name: onlyN, kind: workflow.lua, source: file://code.lua, method: main, modules: [funcs], imports: {lib: lib},
     meta: {temporal: {workflow: {worker: workerN}}}}
  - {name: act, kind: function.lua, source: file://code.lua, method: act, modules: [funcs], imports: {lib: lib},
     meta: {temporal: {activity: {worker: worker}}, options: {activity.start_to_close_timeout: 10s}}}
  - {name: version, kind: function.lua, source: file://code.lua, method: version, modules: [funcs], imports: {lib: lib}}
  - {name: slow, kind: function.lua, source: file://handlers.lua, method: slow, modules: [http, time], imports: {lib: lib}}
  - {name: uploadN, kind: function.lua, source: file://handlers.lua, method: upload, modules: [http, time], imports: {lib: lib}}
  - {name: e1, kind: http.endpoint, router: r, method: GET, path: /version, func: version}
  - {name: e2, kind: http.endpoint, router: r, method: GET, path: /slow, func: slow}
  - {name: e3, kind: http.endpoint, router: r, method: POST, path: /uploadN, func: uploadN}
  - {name: processes, kind: process.host}
  - {name: keeper, kind: process.lua, source: file://code.lua, method: keeper, imports: {lib: lib}}
  - {name: keepingN, kind: process.service, process: keeper, host: processes, input: N}
"""
CODE = """
local lib = require("lib")
local M = {}
function M.main(x) return { started = lib.version, got = assert(require("funcs").call("app:act", x)) } end
function M.act(x) return x end
function M.version() return { version = lib.version } end
function M.keeper(n)
    process.registry.register("keeper-" .. n)
    process.events():receive()
end
return M
"""
HANDLERS = """
local http, time, lib = require("http"), require("time"), require("lib")
local H = {}
function H.slow()
    local res = http.response()
    for n = 1, 5 do
        res:write(lib.version .. " ")
        res:flush()
        time.sleep("100ms")
    end
    res:write("end")
end
function H.upload()
    return { length = #http.request():body(), version = lib.version }
end
return H
"""


class Project:
    def __init__(self, directory: Path) -> None:
        self.path = directory / "registry.yaml"
        self.queue = f"reload-{uuid.uuid4()}"
        (directory / "code.lua").write_text(CODE)
        (directory / "handlers.lua").write_text(HANDLERS)
        self.edit(1)

    def edit(self, number: int) -> None:
        self.path.write_text(REGISTRY.replace("QUEUE", self.queue).replace("N", str(number)))
        (self.path.parent / "lib.lua").write_text(f"return {{ version = {number} }}")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


class Traffic:
    """Clients that ask again and again until they are told to stop. Whatever is not as it should be ends the test."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.rounds: dict[str, int] = {}
        self.versions: set[int] = set()
        self._stop = asyncio.Event()

    async def run(self, name: str, ask: Callable[[aiohttp.ClientSession], Awaitable[None]]) -> None:
        """One connection that is kept alive."""
        self.rounds[name] = 0
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
            while not self._stop.is_set():
                await ask(session)
                self.rounds[name] += 1

    def stop(self) -> None:
        self._stop.set()

    async def everyone(self, more: int) -> None:
        """Until each client has asked so many times more."""
        before = dict(self.rounds)
        await eventually(lambda: all(self.rounds[name] >= before[name] + more for name in before))

    async def version(self, session: aiohttp.ClientSession) -> None:
        async with session.get(self.url + "/version") as answer:
            assert answer.status == 200
            self.versions.add((await answer.json())["version"])

    async def slow(self, session: aiohttp.ClientSession) -> None:
        async with session.get(self.url + "/slow") as answer:
            assert answer.status == 200
            *parts, end = (await answer.text()).split()
            assert (len(parts), len(set(parts)), end) == (5, 1, "end"), "one answer is of one version, and whole"


@pytest.mark.timeout(600)
async def test_steady_traffic_notices_no_reload(project: Project, temporal_server: DevServer) -> None:
    started: list[str] = []
    async with Runtime.open(project.path, temporal=temporal_server.address, http=True, environ={}) as rt:
        traffic = Traffic(rt.urls["app:http"])

        async def start(session: aiohttp.ClientSession) -> None:
            async with session.post(traffic.url + "/api/v1/workflows/app:main", json=len(started)) as answer:
                assert answer.status == 202
                started.append((await answer.json())["id"])

        clients = [
            asyncio.create_task(traffic.run(name, ask))
            for name, ask in {"a": traffic.version, "b": traffic.slow, "c": traffic.slow, "d": start}.items()
        ]

        async def reloads() -> None:
            await traffic.everyone(1)
            for number in (2, 3, 4):
                project.edit(number)
                async with aiohttp.ClientSession() as session:
                    going_on = asyncio.Event()
                    upload = asyncio.create_task(_upload(session, f"{traffic.url}/upload{number - 1}", going_on))
                    await rt.reload()
                    going_on.set()
                    assert await upload == 200 * 1024, "its route is gone, but it was there when the request came"
                await traffic.everyone(2)
                assert await rt.result(await rt.spawn(f"app:only{number}", "x"), timeout=60) == {
                    "started": number,
                    "got": "x",
                }
                with pytest.raises(Error, match=f"only{number - 1}"):
                    await rt.spawn(f"app:only{number - 1}")
            traffic.stop()
            await asyncio.gather(*clients)

        changing = asyncio.create_task(reloads())
        done, _ = await asyncio.wait([changing, *clients], return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            await task
        assert traffic.versions >= {2, 3, 4}
        results = await asyncio.gather(*(rt.result(id, timeout=400) for id in started))
        assert [result["got"] for result in results] == list(range(len(started)))
        versions = [result["started"] for result in results]
        assert versions == sorted(versions), "a run has the code of the moment it was started"
        assert versions[-1] == 4


async def _upload(session: aiohttp.ClientSession, url: str, going_on: asyncio.Event) -> int:
    async def body() -> AsyncIterator[bytes]:
        yield b"x" * 100 * 1024
        await going_on.wait()
        yield b"x" * 100 * 1024

    async with session.post(url, data=body()) as answer:
        assert answer.status == 200, await answer.text()
        return int((await answer.json())["length"])


async def test_what_a_reload_starts_and_stops(project: Project, temporal_server: DevServer) -> None:
    async with Runtime.open(project.path, temporal=temporal_server.address, http=True, environ={}) as rt:
        first = rt.urls["app:http"]
        project.edit(2)
        with_more = project.path.read_text() + '  - {name: other, kind: http.service, addr: "localhost:0"}\n'
        project.path.write_text(with_more)
        await rt.reload()
        assert rt.urls["app:http"] == first
        assert set(rt.queues) == {"app:worker", "app:worker2"}
        await _ready(rt)
        supervisor = rt._host.services
        await eventually(lambda: set(supervisor.running) == {"app:keeping2"})
        assert await _status(f"{rt.urls['app:other']}/healthz") == 200

        moved = with_more.replace("other, kind", "renamed, kind").replace(
            'http.service, addr: "127.0.0.1:0"', 'http.service, addr: "[::1]:0"'
        )
        project.path.write_text(moved)
        await rt.reload()
        assert rt.urls["app:http"].startswith("http://[::1]:")
        assert await _status(f"{rt.urls['app:http']}/version") == 200
        assert set(rt.urls) == {"app:http", "app:renamed"}
        with pytest.raises(aiohttp.ClientConnectionError):
            await _for_ever(f"{first}/version")  # until it listens no more


async def _ready(rt: Runtime) -> None:
    await eventually(rt.missing, lambda missing: not missing, every=0.05)


async def _for_ever(url: str) -> None:
    while True:
        await _status(url)


async def _status(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status


async def test_a_set_that_cannot_be_used_is_refused_whole(project: Project, temporal_server: DevServer) -> None:
    exact = HttpOptions()
    async with Runtime.open(project.path, temporal=temporal_server.address, http=exact, environ={}) as rt:

        async def is_as_before() -> None:
            assert await rt.result(await rt.spawn("app:main", 1), timeout=60) == {"started": 1, "got": 1}
            assert await _status(f"{rt.urls['app:http']}/upload2") == 404
            assert "app:worker2" not in rt.queues

        project.edit(2)
        good = project.path.read_text()
        (project.path.parent / "lib.lua").write_text("return {")
        with pytest.raises(RegistryError, match=r"lib\.lua"):
            await rt.reload()
        await is_as_before()

        (project.path.parent / "lib.lua").write_text("return { version = 2 }")
        taken = rt.urls["app:http"].rpartition(":")[2]
        project.path.write_text(good + f'  - {{name: more, kind: http.service, addr: "127.0.0.1:{taken}"}}\n')
        with pytest.raises(Error, match=taken) as refused:
            await rt.reload()
        assert refused.value.kind == UNAVAILABLE
        await is_as_before()

        project.path.write_text(good)
        await rt.reload()
        assert await rt.result(await rt.spawn("app:only2", 1), timeout=60) == {"started": 2, "got": 1}
