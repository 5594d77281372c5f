"""Workflows on a real server, as functions and processes outside start, watch, link and end them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.contracts import Started, StartRequest
from runtime.errors import ALREADY_EXISTS, CANCELED, INVALID, Error
from runtime.payload import Payload
from runtime.process.host import ProcessHost
from runtime.temporal.dev_server import DevServer
from tests.temporal.stage import MODULES, Files, Stage, staged
from tests.waiting import eventually

#: Ends as it is told to, by topic; the value of "go" is the next round's.
OBEYS = """
    return function(n)
      local inbox = process.inbox()
      while true do
        local m, ok, err = inbox:receive()
        if not ok then return nil, err end
        local said = m:payload() and m:payload():data()
        if m:topic() == "return" then return { said, n } end
        if m:topic() == "fail" then return nil, errors.new("Declined", "no funds") end
        if m:topic() == "go" then process.upgrade(nil, said) end
      end
    end
"""
COLLECTS = """
    return function(n)
      local inbox, got = process.inbox(), {}
      for i = 1, n do
        local m = inbox:receive()
        got[i] = { m:topic(), m:payload():data(), m:from():match("^{(.-)@") }
      end
      return got
    end
"""
#: Tells of the first event it gets.
HEEDS = """
    return function(trap)
      process.set_options({ trap_links = trap })
      local e = process.events():receive()
      return { e.kind, e.from, e.result.value or e.result.error:kind() }
    end
"""


@asynccontextmanager
async def stage(directory: Path, address: str, body: str, **functions: str) -> AsyncIterator[Stage]:
    """`t:calls` is a function of that body, as `functions` are; `t:watches` a process of it, on `t:processes`."""
    files = (
        Files(directory)
        .workflow("obeys", OBEYS)
        .workflow("collects", COLLECTS)
        .workflow("heeds", HEEDS)
        .workflow("hears", "return function() local e = process.events():receive() return { e.kind, e.reason } end")
        .workflow("waits", "return function() time.sleep('1h') end")
    )
    files.entry(name="processes", kind="process.host")
    for name, kind, text in [
        ("calls", "function.lua", body),
        ("watches", "process.lua", body),
        *((name, "function.lua", text) for name, text in functions.items()),
    ]:
        (directory / f"{name}.lua").write_text(f"return function(...) {text} end")
        modules = [module for module in MODULES if module not in ("workflow", "saga")]
        files.entry(name=name, kind=kind, source=f"file://{name}.lua", modules=modules)
    async with staged(files, address) as made:
        yield made


async def call(at: Stage, name: str, *args: Any) -> Any:
    return (await at.host.call(f"t:{name}", [Payload.of(arg) for arg in args])).value()


def spawn(host: ProcessHost, *args: Any) -> str:
    request = StartRequest("t:watches", [Payload.of(arg) for arg in args], worker="t:processes")
    return host.spawn(request).pid


async def test_the_end_of_a_monitored_run_is_an_event(tmp_path: Path, temporal_server: DevServer) -> None:
    body = """
        local events = process.events()
        local pid = process.spawn_monitored("t:obeys", "t:worker", 1)
        assert(process.send(pid, "return", "done"))
        local e = events:receive()
        process.monitor(pid)
        local late = events:receive()
        return { e.kind, e.from == pid, e.result.value, late.kind, late.result.value }
    """
    async with stage(tmp_path, temporal_server.address, body) as at:
        assert await call(at, "calls") == ["pid.exit", True, ["done", 1], "pid.exit", ["done", 1]]


async def test_the_end_of_a_run_that_continued_as_new_is_that_of_the_last(
    tmp_path: Path, temporal_server: DevServer
) -> None:
    body = """
        local pid = process.spawn_monitored("t:obeys", "t:worker", 1)
        process.send(pid, "go", 2)
        process.send(pid, "go", 3)
        process.send(pid, "return", "done")
        return process.events():receive().result.value
    """
    async with stage(tmp_path, temporal_server.address, body) as at:
        assert await call(at, "calls") == ["done", 3]


async def test_a_linked_run_that_fails_or_is_ended_is_link_down(tmp_path: Path, temporal_server: DevServer) -> None:
    body = """
        process.set_options({ trap_links = true })
        local events, out = process.events(), {}
        for i, act in ipairs({ function(p) process.send(p, "fail") end, process.terminate, function(p) process.cancel(p, "why") end }) do
          local pid = process.spawn_linked("t:obeys", "t:worker")
          act(pid)
          local e = events:receive()
          out[i] = { e.kind, e.from == pid, e.result.error:kind() }
        end
        return out
    """
    async with stage(tmp_path, temporal_server.address, body) as at:
        assert await call(at, "calls") == [["pid.link.down", True, kind] for kind in ("Declined", CANCELED, CANCELED)]


async def test_a_process_falls_with_a_run_it_is_linked_with(tmp_path: Path, temporal_server: DevServer) -> None:
    body = "assert(process.link(...)) process.inbox():receive()"
    async with stage(tmp_path, temporal_server.address, body) as at:
        run = await at.start("obeys")
        pid = spawn(at.host, run.pid)
        await at.send(run, "fail")
        end = await _end(at.host, pid)
        assert end.error is not None
        assert (end.error.kind, end.error.message) == ("Declined", "no funds")


LINKED = """
    local name, how, trap = ...
    assert(process.with_name(name):spawn_linked("t:heeds", "t:worker", trap))
    if how == "fail" then return nil, errors.new("Declined", "no funds") end
    if how == "return" then return { n = 1 } end
    local _, _, canceled = process.inbox():receive()
    return nil, canceled
"""


@pytest.mark.parametrize(
    ("how", "kind", "what"),
    [
        ("fail", "pid.link.down", "Declined"),
        ("return", "pid.exit", {"n": 1}),
        ("terminate", "pid.link.down", CANCELED),
        ("close", "pid.link.down", CANCELED),
    ],
)
async def test_a_run_hears_of_the_end_of_a_process_it_is_linked_with(
    how: str, kind: str, what: Any, tmp_path: Path, temporal_server: DevServer
) -> None:
    async with stage(tmp_path, temporal_server.address, LINKED) as at:
        name = f"linked {uuid.uuid4()}"
        pid = spawn(at.host, name, how, True)
        await _linked(at, pid)
        if how == "close":
            await at.host.close(0)
        elif how == "terminate":
            at.host.terminate(pid)
        assert (await at.runs.result(name, 60)).value() == [kind, pid, what]
        assert [result.failure for result in await at.replay(Started(name, "", ""))] == [None]


async def test_a_run_falls_with_a_process_it_is_linked_with(tmp_path: Path, temporal_server: DevServer) -> None:
    async with stage(tmp_path, temporal_server.address, LINKED) as at:
        name = f"falls {uuid.uuid4()}"
        await _linked(at, spawn(at.host, name, "fail", False))
        with pytest.raises(Error, match="no funds") as failed:
            await at.runs.result(name, 60)
        assert failed.value.kind == "Declined"


async def _linked(at: Stage, pid: str) -> None:
    """Waits until the process is linked with its run, or has been."""
    await eventually(lambda: bool(at.host.watches.of(pid)) or at.host.end_of(pid) is not None)


async def test_a_run_that_has_ended_is_told_of_at_once(tmp_path: Path, temporal_server: DevServer) -> None:
    """By monitor and by link; that of a chain is the end of its last run, and a run nobody started is NOT_FOUND."""
    body = """
        process.set_options({ trap_links = true })
        local events, seen = process.events(), {}
        local function hear(how, pid)
          local ok, err = process[how](pid)
          if not ok then seen[#seen + 1] = err:kind() return end
          local e = events:receive("100s")
          seen[#seen + 1] = { how, e.kind, e.from == pid, e.result.value or e.result.error:kind() }
        end
        for _, how in ipairs({ "monitor", "link" }) do
          for _, pid in ipairs({ ... }) do hear(how, pid) end
          hear(how, "{t:worker|nobody started this}")
        end
        return seen
    """
    async with stage(tmp_path, temporal_server.address, body) as at:
        good, bad, chain, ended = [await at.start("obeys", n) for n in range(4)]
        await at.send(good, "return", "done")
        await at.send(bad, "fail")
        await at.send(chain, "go", 9)
        await at.send(chain, "return", "at last")
        await at.runs.terminate(ended.id)
        for run in (good, bad, chain, ended):
            await _closed(at, run.id)
        value, failed, hopped, gone = ["done", 0], "Declined", ["at last", 9], CANCELED
        assert await call(at, "calls", good.pid, bad.pid, chain.pid, ended.pid) == [
            ["monitor", "pid.exit", True, value],
            ["monitor", "pid.exit", True, failed],
            ["monitor", "pid.exit", True, hopped],
            ["monitor", "pid.exit", True, gone],
            "NotFound",
            ["link", "pid.exit", True, value],
            ["link", "pid.link.down", True, failed],
            ["link", "pid.exit", True, hopped],
            ["link", "pid.link.down", True, gone],
            "NotFound",
        ]


async def test_a_function_cancels_and_ends_runs(tmp_path: Path, temporal_server: DevServer) -> None:
    body = """
        local cancelled, ended = ...
        return { process.cancel(cancelled, "no longer wanted"), process.terminate(ended) }
    """
    async with stage(tmp_path, temporal_server.address, body) as at:
        heeds, waits = await at.start("hears"), await at.start("waits")
        assert await call(at, "calls", heeds.pid, waits.pid) == [True, True]
        assert await at.result(heeds) == ["pid.cancel", "no longer wanted"]
        with pytest.raises(Error) as caught:
            await at.result(waits)
        assert caught.value.kind == CANCELED
        assert (await at.runs.describe(waits.id)).status == "TERMINATED"


async def _closed(at: Stage, run: str) -> None:
    await eventually(
        lambda: at.runs.describe(run), lambda seen: seen.status not in ("RUNNING", "CONTINUED_AS_NEW"), every=0.05
    )


async def test_names_find_open_runs_and_bring_messages_in_order(tmp_path: Path, temporal_server: DevServer) -> None:
    body = """
        local spawner = process.with_name(...):with_message("first", 1):with_message("second", 2)
        local pid = spawner:spawn("t:collects", "t:worker", 4)
        local same = spawner:spawn("t:collects", "t:worker", 4)
        return { pid, same }
    """
    async with stage(tmp_path, temporal_server.address, body) as at:
        name = f"collects {tmp_path.name}"
        pid, same = await call(at, "calls", name)
        assert pid == same == f"{{t:worker|{name}}}"
        value = (await at.runs.result(name)).value()
        assert value == [["first", 1, "t:calls"], ["second", 2, "t:calls"]] * 2


async def test_conflict_and_reuse_policies(tmp_path: Path, temporal_server: DevServer) -> None:
    body = """
        local name = ...
        local function spawn(options) return process.with_name(name):with_options(options):spawn("t:obeys", "t:worker") end
        local first = spawn({})
        local _, refused = spawn({ ["workflow.id_conflict_policy"] = "fail" })
        local _, also = spawn({ ["workflow.execution_error_when_already_started"] = true })
        local second = spawn({ ["workflow.id_conflict_policy"] = "terminate-existing" })
        process.send(second, "return")
        process.monitor(second)
        process.events():receive()
        local _, used = spawn({ ["workflow.id_reuse_policy"] = "reject_duplicate" })
        return { first == second, refused:kind(), refused:details().workflow_id, refused:details().run_id ~= nil, also:kind(), used:kind() }
    """
    async with stage(tmp_path, temporal_server.address, body) as at:
        name = f"policies {tmp_path.name}"
        expected = [True, ALREADY_EXISTS, name, True, ALREADY_EXISTS, ALREADY_EXISTS]
        assert await call(at, "calls", name) == expected


async def test_a_workflow_does_not_run_on_a_process_host(tmp_path: Path, temporal_server: DevServer) -> None:
    body = 'return select(2, process.spawn("t:obeys", "t:processes")):kind()'
    async with stage(tmp_path, temporal_server.address, body) as at:
        assert await call(at, "calls") == INVALID


async def test_watchers_outlive_a_restart_of_the_server(tmp_path: Path) -> None:
    """One watches, one is linked, one waits in `exec`; the server is away for a while, with their runs in its state."""
    body = """
        local how, pid = ...
        if how == "exec" then return process.with_name(pid):exec("t:obeys", "t:worker") end
        process.set_options({ trap_links = true })
        assert(process[how](pid))
        local e = process.events():receive()
        return { e.kind, e.result.value or e.result.error:kind() }
    """
    state = tmp_path / "state"
    state.mkdir()
    server = DevServer(state, ui=False, port=0)
    await server.start()
    address = server.address
    try:
        async with stage(tmp_path, address, body) as at:
            monitored, linked = await at.start("obeys", 1), await at.start("obeys", 2)
            watching = [
                asyncio.create_task(call(at, "calls", "monitor", monitored.pid)),
                asyncio.create_task(call(at, "calls", "link", linked.pid)),
                asyncio.create_task(call(at, "calls", "exec", "executed")),
            ]
            await _until_open(at, "executed")
            await server.stop()
            server = DevServer(state, ui=False, port=int(address.rpartition(":")[2]))
            await server.start()
            assert server.address == address
            await at.runs.signal(monitored.id, "return", [Payload.of("after")])
            await at.runs.signal(linked.id, "fail", [])
            await at.runs.signal("executed", "return", [Payload.of("also after")])
            ends = await asyncio.gather(*watching)
            assert ends == [
                ["pid.exit", ["after", 1]],
                ["pid.link.down", "Declined"],
                ["also after"],
            ]
    finally:
        await server.stop()


async def _until_open(at: Stage, run: str) -> None:
    async def is_open() -> bool:
        try:
            return (await at.runs.describe(run)).state == "in_progress"
        except Error:
            return False  # the server does not answer yet

    await eventually(is_open, every=0.05)


async def _end(host: ProcessHost, pid: str) -> Any:
    return await eventually(lambda: host.end_of(pid), lambda end: end is not None)
