"""Services of a runtime as their `lifecycle` says: what is not started, what waits for what, and what a reload makes of it."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from runtime import Runtime
from runtime.http import HttpOptions
from runtime.temporal.dev_server import DevServer
from tests.waiting import eventually

REGISTRY = """
namespace: app
entries:
  - {name: temporal, kind: temporal.client, address: "${env:TEMPORAL_ADDRESS|localhost:1}"}
  - {name: worker, kind: temporal.worker, client: temporal, task_queue: QUEUE, WORKER}
  - {name: other, kind: temporal.worker, client: temporal, task_queue: QUEUE-other}
  - {name: web, kind: http.service, addr: "127.0.0.1:0", WEB}
  - {name: wait, kind: workflow.lua, source: file://code.lua, meta: {temporal: {workflow: {worker: worker}}}}
  - {name: host, kind: process.host}
  - {name: opener, kind: process.lua, source: file://code.lua, method: opener}
  - {name: opening, kind: process.service, process: opener, host: host,
     lifecycle: {restart: {initial_delay: 1ms, max_delay: 5ms}}}
"""
#: A service that is up once somebody has taken the name "open".
CODE = """
local M = {}
function M.main() return "done" end
function M.opener()
    if not process.registry.lookup("open") then error("closed") end
    process.events():receive()
end
return M
"""
OFF = "lifecycle: {auto_start: false}"
WAITING = "lifecycle: {depends_on: [opening]}"


class Project:
    def __init__(self, directory: Path) -> None:
        self.path = directory / "registry.yaml"
        self._queue = f"lifecycle-{uuid.uuid4()}"
        (directory / "code.lua").write_text(CODE)

    def write(self, worker: str, web: str) -> Path:
        text = REGISTRY.replace("QUEUE", self._queue).replace("WORKER", worker).replace("WEB", web)
        self.path.write_text(text.replace(", }", "}"))
        return self.path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


async def test_a_worker_that_is_not_started_does_not_poll_and_a_reload_starts_it(
    project: Project, temporal_server: DevServer
) -> None:
    path = project.write(OFF, "")
    async with Runtime.open(path, temporal=temporal_server.address) as runtime:
        await eventually(runtime.missing, lambda missing: not missing)
        assert list(runtime.queues) == ["app:other"]
        started = await runtime.start("app:wait")
        assert await runtime.unserved(started.id) is not None
        project.write("", "")
        await runtime.reload()
        assert await runtime.result(started.id, timeout=60) == "done"
        project.write(OFF, "")
        await runtime.reload()
        assert list(runtime.queues) == ["app:other"]


async def test_a_worker_that_is_not_started_polls_when_the_command_line_says_so(
    project: Project, temporal_server: DevServer
) -> None:
    said = ["app:worker:lifecycle.auto_start=true"]
    async with Runtime.open(project.write(OFF, ""), temporal=temporal_server.address, overrides=said) as runtime:
        assert await runtime.result(await runtime.spawn("app:wait"), timeout=60) == "done"


async def test_an_http_service_that_is_not_started_does_not_listen_and_a_reload_starts_it(
    project: Project, temporal_server: DevServer
) -> None:
    http = HttpOptions(default_service=True)  # does not stand in for one that is there and off
    async with Runtime.open(project.write("", OFF), temporal=temporal_server.address, http=http) as runtime:
        assert runtime.urls == {}
        project.write("", "")
        await runtime.reload()
        assert list(runtime.urls) == ["app:web"]
        project.write("", OFF)
        await runtime.reload()
        assert runtime.urls == {}


async def test_a_worker_and_http_wait_for_the_services_that_they_depend_on(
    project: Project, temporal_server: DevServer
) -> None:
    path = project.write(WAITING, WAITING)
    async with Runtime.open(path, temporal=temporal_server.address, http=True) as runtime:
        assert runtime.urls == {}
        started = await runtime.start("app:wait")
        await eventually(runtime.missing, lambda missing: missing == ["worker app:worker does not poll"])
        assert await runtime.unserved(started.id) is not None
        await runtime.reload()
        assert runtime.urls == {}
        runtime._host.names.register("open", "anybody")
        assert await runtime.result(started.id, timeout=60) == "done"
        await eventually(lambda: list(runtime.urls) == ["app:web"])


async def test_a_runtime_starts_without_the_server_of_a_client_that_does_not_start_with_it(project: Project) -> None:
    text = project.write("", "").read_text().replace('localhost:1}"}', f'127.0.0.1:1}}", {OFF}}}')
    project.path.write_text(text)
    async with Runtime.open(project.path, environ={}) as runtime:
        assert "worker app:worker does not poll" in await runtime.missing()


async def test_a_worker_is_given_up_after_its_attempts(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    text = project.write("lifecycle: {restart: {initial_delay: 1ms, max_attempts: 2}}", "").read_text()
    project.path.write_text(text.replace('localhost:1}"}', f'127.0.0.1:1}}", {OFF}}}'))
    async with Runtime.open(project.path, environ={}):
        await eventually(lambda: "worker app:worker stays down" in caplog.text)
