from __future__ import annotations

import socket
import uuid
from pathlib import Path

import aiohttp
import pytest

from runtime import Error, Registry, Runtime
from runtime.errors import ALREADY_EXISTS, CONFLICT, INVALID, NOT_FOUND, TIMEOUT, UNAVAILABLE
from runtime.registry import RegistryError
from runtime.temporal.dev_server import DevServer
from tests.definitions import with_worker, write
from tests.waiting import eventually

WAITING = """
local workflow = require("workflow")

return function(...)
    local seen = { ... }
    workflow.query("seen", function(n) return seen[n] end)
    workflow.update("add", function(v)
        table.insert(seen, v)
        return #seen
    end)
    local last, _, canceled = process.listen("go"):receive()
    if canceled then
        return nil, canceled
    end
    table.insert(seen, last)
    return seen
end
"""
FUNCTIONS = """
local F = {}
function F.add(a, b) return a + b end
function F.who() return require("ctx").get("who") end
function F.refuse() return nil, errors.new({ message = "taken", kind = errors.CONFLICT, details = { by = "me" } }) end
return F
"""
REGISTRY = with_worker(
    """
  - {name: http, kind: http.service, addr: "127.0.0.1:0"}
  - {name: waiting, kind: workflow.lua, source: file://waiting.lua, modules: [workflow],
     meta: {temporal: {workflow: {worker: worker}}}}
  - {name: add, kind: function.lua, source: file://functions.lua, method: add}
  - {name: who, kind: function.lua, source: file://functions.lua, method: who, modules: [ctx]}
  - {name: refuse, kind: function.lua, source: file://functions.lua, method: refuse}
  - {name: py, kind: function.py, source: "py://app_functions:double"}
""",
    address="${env:TEMPORAL_ADDRESS|localhost:1}",
)


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    (tmp_path / "waiting.lua").write_text(WAITING)
    (tmp_path / "functions.lua").write_text(FUNCTIONS)
    (tmp_path / "app_functions.py").write_text("def double(n: int) -> int:\n    return 2 * n\n")
    return write(tmp_path, REGISTRY)


def fresh() -> str:
    return f"run-{uuid.uuid4().hex}"


async def test_a_run_from_spawn_to_result(registry: Path, temporal_server: DevServer) -> None:
    async with Runtime.open(registry, temporal=temporal_server.address, environ={}) as rt:
        name = fresh()
        pid = await rt.spawn("app:waiting", "a", {"b": 1.5}, id=name, worker="app:worker")
        assert pid == f"{{app:worker|{name}}}"
        assert await rt.query(pid, "seen", 1) == "a"
        assert await rt.update(name, "add", True) == 3
        with pytest.raises(Error) as waiting:
            await rt.result(pid, timeout=0.1)
        assert (waiting.value.kind, waiting.value.details) == (TIMEOUT, {"waiting": True})
        assert (await rt.describe(name, stack=True)).stack
        await rt.send(pid, "go", "end")
        assert await rt.result(pid, timeout=300.0) == ["a", {"b": 1.5}, True, "end"]
        assert (await rt.history(name))["events"]


async def test_an_id_in_use_gives_the_same_run_unless_told_otherwise(
    registry: Path, temporal_server: DevServer
) -> None:
    async with Runtime.open(registry, temporal=temporal_server.address, environ={}) as rt:
        name = fresh()
        first = await rt.start("app:waiting", id=name)
        again = await rt.start("app:waiting", id=name)
        assert (again.pid, again.created) == (first.pid, False)
        with pytest.raises(Error) as refused:
            await rt.start("app:waiting", id=name, id_conflict_policy="fail")
        assert refused.value.kind == ALREADY_EXISTS
        with pytest.raises(Error) as unknown:
            await rt.start("app:waiting", no_such_option=1)
        assert unknown.value.kind == INVALID
        await rt.terminate(name)


async def test_functions_run_here_and_need_no_server(registry: Path) -> None:
    async with Runtime.open(registry, workers=False, environ={}) as rt:
        assert await rt.call("app:add", 1, 2) == 3
        assert await rt.call("app:who", context={"who": "ada"}) == "ada"
        assert await rt.call("app:py", 21) == 42
        with pytest.raises(Error) as refused:
            await rt.call("app:refuse")
        assert (refused.value.kind, refused.value.details) == (CONFLICT, {"by": "me"})
        with pytest.raises(Error) as unknown:
            await rt.call("app:nothing")
        assert unknown.value.kind == NOT_FOUND


async def test_a_server_of_its_own_with_http(registry: Path) -> None:
    async with Runtime.open(registry, temporal="embedded", http=True, environ={}) as rt:
        assert rt.server is not None
        assert rt.address == rt.server.address
        [url] = rt.urls.values()
        async with aiohttp.ClientSession() as session, session.get(f"{url}/healthz") as answer:
            assert answer.status == 200
        pid = await rt.spawn("app:waiting")
        await rt.send(pid, "go", 1)
        assert await rt.result(pid, timeout=300.0) == [1]
    with pytest.raises(aiohttp.ClientConnectionError):
        async with aiohttp.ClientSession() as session, session.get(f"{url}/healthz"):
            pass


async def test_runs_outlive_the_runtime_that_started_them(registry: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    name = fresh()
    async with Runtime.open(registry, temporal="embedded", state=state, environ={}) as rt:
        await rt.spawn("app:waiting", "before", id=name)
    async with Runtime.open(registry, temporal="embedded", state=state, environ={}) as rt:
        await rt.send(name, "go", "after")
        assert await rt.result(name, timeout=300.0) == ["before", "after"]


async def test_a_server_that_does_not_answer_is_told_at_once(registry: Path) -> None:
    with pytest.raises(Error) as refused:
        async with Runtime.open(registry, environ={"TEMPORAL_ADDRESS": "127.0.0.1:9"}):
            pass
    assert refused.value.kind == UNAVAILABLE


async def test_nothing_starts_when_a_script_does_not_compile(registry: Path) -> None:
    (registry.parent / "waiting.lua").write_text("return function(")
    with pytest.raises(RegistryError, match=r"waiting\.lua:1"):
        async with Runtime.open(registry, temporal="embedded", environ={}):
            pass


async def test_a_directory_is_a_registry_too(registry: Path) -> None:
    async with Runtime.open(registry.parent, workers=False, environ={}) as rt:
        assert isinstance(rt.registry, Registry)
        assert await rt.call("app:add", 1, 1) == 2


async def test_a_reload_that_fails_changes_nothing(registry: Path) -> None:
    async with Runtime.open(registry, workers=False, environ={}) as rt:
        functions = registry.parent / "functions.lua"
        functions.write_text("return {")
        with pytest.raises(RegistryError):
            await rt.reload()
        assert await rt.call("app:add", 1, 2) == 3
        functions.write_text(FUNCTIONS.replace("a + b", "a * b"))
        await rt.reload()
        assert await rt.call("app:add", 3, 4) == 12


async def test_a_value_without_a_json_form_is_refused(registry: Path) -> None:
    async with Runtime.open(registry, workers=False, environ={}) as rt:
        with pytest.raises(Error) as refused:
            await rt.call("app:add", object())
    assert refused.value.kind == INVALID


async def test_an_idempotency_key_holds_across_a_restart(registry: Path, tmp_path: Path) -> None:
    async def post() -> tuple[str, bool]:
        async with Runtime.open(
            registry, temporal="embedded", state=tmp_path / "state", http=True, workers=False, environ={}
        ) as rt:
            [url] = rt.urls.values()
            path, headers = f"{url}/api/v1/workflows/app:waiting", {"Idempotency-Key": "k"}
            async with aiohttp.ClientSession() as session, session.post(path, json=1, headers=headers) as answer:
                assert answer.status == 202
                return (await answer.json())["run_id"], "Idempotency-Replayed" in answer.headers

    (first, new), (second, replayed) = await post(), await post()
    assert (first, new, replayed) == (second, False, True)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def test_a_start_needs_the_server_unless_its_client_says_otherwise(registry: Path) -> None:
    port = free_port()
    address = {"TEMPORAL_ADDRESS": f"127.0.0.1:{port}"}
    with pytest.raises(Error, match="does not answer") as absent:
        async with Runtime.open(registry, environ=address):
            pass
    assert absent.value.kind == UNAVAILABLE
    relaxed = ["app:temporal:health_check=false"]
    async with Runtime.open(registry, environ=address, overrides=relaxed) as runtime:
        assert "worker app:worker does not poll" in await runtime.missing()
        async with DevServer(ui=False, port=port):
            await eventually(runtime.missing, lambda missing: missing == [], every=0.1)
            run = await runtime.spawn("app:waiting", 1)
            await runtime.send(run, "go", 2)
            assert await runtime.result(run) == [1, 2]
