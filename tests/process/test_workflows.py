"""Functions that start, address and await workflows. The runs themselves are played by `Played`; on a real server they are
tested in tests/temporal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from runtime.contracts import End, RunDescription, Started, StartRequest
from runtime.errors import ALREADY_EXISTS, CANCELED, INVALID, NOT_FOUND, UNAVAILABLE, Error, not_found
from runtime.payload import Payload
from runtime.registry import Registry
from tests.process.support import call, host, load, pids
from tests.waiting import eventually

ORDER_PID = "{app:worker|o|1}"


class Played:
    """Keeps one run, `o|1`, and what was asked of it. `ending` settles its result."""

    def __init__(self) -> None:
        self.starts: list[StartRequest] = []
        self.said: list[tuple[Any, ...]] = []
        self.ending: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
        self.refuses: Error | None = None

    def _known(self, run: str) -> None:
        if run != "o|1":
            raise not_found("workflow", run)

    async def start(self, request: StartRequest) -> Started:
        if self.refuses is not None:
            raise self.refuses
        self.starts.append(request)
        return Started("o|1", "r-1", ORDER_PID)

    async def signal(self, run: str, topic: str, args: Sequence[Payload], sender: str = "", request: str = "") -> None:
        self._known(run)
        await asyncio.sleep(0)
        self.said.append((topic, [arg.value() for arg in args], sender))

    async def tell_end(self, run: str, kind: str, pid: str, end: End) -> None:
        self._known(run)
        self.said.append((kind, pid, end.error.kind if end.error is not None else end.value))

    async def result(self, run: str, timeout: float | None = None) -> Payload:
        return await asyncio.shield(self.ending)

    async def cancel(self, run: str, reason: str = "", by: str = "") -> None:
        self._known(run)
        self.said.append(("cancel", reason, by))

    async def terminate(self, run: str, reason: str = "", by: str = "") -> None:
        self._known(run)
        self.said.append(("terminate", reason, by))

    async def describe(self, run: str, *, stack: bool = False) -> RunDescription:
        self._known(run)
        return RunDescription(run, "r-1", ORDER_PID, "app:order", "RUNNING", "in_progress", "q")

    async def query(self, run: str, name: str, args: Sequence[Payload]) -> Payload:
        self._known(run)
        if name != "total":
            raise Error(NOT_FOUND, f"unknown query '{name}'", retryable=False)
        return Payload.of({"total": [arg.value() for arg in args]})

    async def update(self, run: str, name: str, args: Sequence[Payload]) -> Payload:
        raise NotImplementedError

    def list(self, query: str = "", limit: int = 50) -> AsyncIterator[RunDescription]:
        raise NotImplementedError

    async def history(self, run: str) -> dict[str, Any]:
        raise NotImplementedError


def registry(directory: Path, body: str) -> Registry:
    """`app:calls` is a function of that body; `app:order` a workflow on `app:worker`."""
    entries: list[dict[str, Any]] = [
        {"name": "client", "kind": "temporal.client", "address": "127.0.0.1:1"},
        {"name": "worker", "kind": "temporal.worker", "client": "client", "task_queue": "q"},
        {
            "name": "order",
            "kind": "workflow.lua",
            "source": "file://order.lua",
            "meta": {"temporal": {"workflow": {"worker": "worker"}}, "default_host": "worker"},
        },
    ]
    return load(
        directory, {"order.lua": "return function() end", "calls.lua": f"return function(...) {body} end"}, entries
    )


async def test_spawn_starts_a_run_with_all_that_was_said(tmp_path: Path) -> None:
    body = """
        return process.with_name("o|1")
          :with_context({ step = 2 })
          :with_options({ ["workflow.execution_timeout"] = "1m" })
          :with_message("hello", 1, "two")
          :spawn("app:order", "app:worker", { id = "o" }, 5)
    """
    played = Played()
    async with host(registry(tmp_path, body), workflows=played, node="n1") as h:
        assert await call(h, "calls", context={"tenant": "a"}) == ORDER_PID
    [request] = played.starts
    assert (request.entry, request.worker, request.id) == ("app:order", "app:worker", "o|1")
    assert [arg.value() for arg in request.args] == [{"id": "o"}, 5]
    assert request.options == {"execution_timeout": 60_000}
    assert request.caller.context == {"tenant": "a", "step": 2}
    assert [(m.topic, [arg.value() for arg in m.args]) for m in request.messages] == [("hello", [1, "two"])]
    assert request.caller.sender.startswith("{app:calls@n1|")


async def test_a_refused_start_is_an_error(tmp_path: Path) -> None:
    played = Played()
    played.refuses = Error(ALREADY_EXISTS, "runs already", retryable=False, details={"workflow_id": "o|1"})
    body = 'local pid, err = process.spawn("app:order", "app:worker") return { pid == nil, err:kind(), err:details() }'
    async with host(registry(tmp_path, body), workflows=played) as h:
        assert await call(h, "calls") == [True, ALREADY_EXISTS, {"workflow_id": "o|1"}]


async def test_messages_to_one_run_keep_their_order(tmp_path: Path) -> None:
    body = """
        local done = channel.new()
        for i = 1, 5 do
          coroutine.spawn(function() process.send(..., "n", i) done:send(true) end)
        end
        for _ = 1, 5 do done:receive() end
        return true
    """
    body = "local pid = ... " + body.replace("process.send(...,", "process.send(pid,")
    played = Played()
    async with host(registry(tmp_path, body), workflows=played) as h:
        assert await call(h, "calls", ORDER_PID) is True
    assert [said[:2] for said in played.said] == [("n", [i]) for i in range(1, 6)]


async def test_exec_waits_for_the_result(tmp_path: Path) -> None:
    body = 'local v, err = process.exec("app:order", "app:worker") return { v, err and err:kind() }'
    played = Played()
    async with host(registry(tmp_path, body), workflows=played) as h:
        running = asyncio.create_task(call(h, "calls"))
        await eventually(lambda: played.starts)
        played.ending.set_result(Payload.of({"success": True}))
        assert await running == [{"success": True}]


async def test_calling_a_workflow_spawns_it_on_its_default_host(tmp_path: Path) -> None:
    played = Played()
    played.ending.set_result(Payload.of("shipped"))
    async with host(registry(tmp_path, 'return funcs.call("app:order", 1)'), workflows=played) as h:
        assert await call(h, "calls") == "shipped"
    assert played.starts[0].worker == "app:worker"


async def test_giving_up_an_exec_cancels_the_run(tmp_path: Path) -> None:
    played = Played()
    async with host(registry(tmp_path, 'return process.exec("app:order", "app:worker")'), workflows=played) as h:
        running = asyncio.create_task(call(h, "calls"))
        await eventually(lambda: played.starts)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await eventually(lambda: played.said)
    [(act, reason, by)] = played.said
    assert (act, reason) == ("cancel", "canceled by its caller")
    assert by.startswith("{app:")


async def test_a_monitored_run_s_end_is_an_event(tmp_path: Path) -> None:
    body = """
        local events = process.events()
        local pid = process.spawn_monitored("app:order", "app:worker")
        local e = events:receive()
        return { e.kind == process.event.EXIT, e.from == pid, e.result.value }
    """
    played = Played()
    async with host(registry(tmp_path, body), workflows=played) as h:
        running = asyncio.create_task(call(h, "calls"))
        await eventually(lambda: played.starts)
        played.ending.set_result(Payload.of("done"))
        assert await running == [True, True, "done"]


async def test_a_linked_run_that_fails_takes_the_function_down_unless_it_traps_links(tmp_path: Path) -> None:
    body = """
        process.set_options({ trap_links = ... })
        local events = process.events()
        process.spawn_linked("app:order", "app:worker")
        local e = events:receive()
        return { e.kind, e.result.error:kind() }
    """
    played = Played()
    played.ending.set_exception(Error("Declined", "no funds"))
    async with host(registry(tmp_path, body), workflows=played) as h:
        assert await call(h, "calls", True) == ["pid.link.down", "Declined"]
        with pytest.raises(Error, match="no funds"):
            await call(h, "calls", False)


async def test_cancel_and_terminate_reach_runs_and_functions(tmp_path: Path) -> None:
    body = """
        local pid = ...
        if pid == nil then
          local e = process.events():receive()
          return { e.kind, e.reason }
        end
        local _, gone = process.terminate("{app:worker|other}")
        return { process.cancel(pid, "late"), process.cancel("{app:worker|o|1}", "r"), process.terminate("{app:worker|o|1}"), gone:kind() }
    """
    played = Played()
    async with host(registry(tmp_path, body), workflows=played) as h:
        waiting = asyncio.create_task(call(h, "calls"))
        [pid] = await pids(h)
        assert await call(h, "calls", pid) == [True, True, True, NOT_FOUND]
        assert await waiting == ["pid.cancel", "late"]
    assert [said[:2] for said in played.said] == [("cancel", "r"), ("terminate", "")]
    assert all(by.startswith("{app:") for _, _, by in played.said)


async def test_a_run_is_asked_and_its_refusal_is_an_error(tmp_path: Path) -> None:
    body = """
        local unknown = select(2, process.query("{app:worker|o|1}", "nothing"))
        local gone = select(2, process.query("{app:worker|other}", "total"))
        local no_run = select(2, process.query(process.pid(), "total"))
        local unnamed = select(2, process.query("{app:worker|o|1}", ""))
        return { process.query("{app:worker|o|1}", "total", 2, "x"), unknown:kind(), gone:kind(), no_run:kind(), unnamed:kind() }
    """
    async with host(registry(tmp_path, body), workflows=Played()) as h:
        assert await call(h, "calls") == [{"total": [2, "x"]}, NOT_FOUND, NOT_FOUND, INVALID, INVALID]


async def test_a_terminated_function_fails_its_caller_with_canceled(tmp_path: Path) -> None:
    body = "local pid = ... if pid then return process.terminate(pid) end time.sleep('1h')"
    async with host(registry(tmp_path, body)) as h:
        waiting = asyncio.create_task(call(h, "calls"))
        [pid] = await pids(h)
        assert await call(h, "calls", pid) is True
        with pytest.raises(Error) as caught:
            await waiting
    assert caught.value.kind == CANCELED


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('return select(2, process.spawn("app:nothing", "app:worker")):kind()', NOT_FOUND),
        ('return select(2, process.spawn("app:calls", "app:worker")):kind()', INVALID),
        ('return select(2, process.spawn("app:order", "app:worker")):kind()', UNAVAILABLE),
        ('return select(2, process.monitor("{app:calls@local|1}")):kind()', NOT_FOUND),
    ],
)
async def test_what_cannot_be_started_says_why(tmp_path: Path, body: str, kind: str) -> None:
    async with host(registry(tmp_path, body)) as h:
        assert await call(h, "calls") == kind
