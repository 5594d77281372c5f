"""Activities and workflows of elsewhere: of a worker that knows nothing of us, in a process of its own, and in TypeScript."""

from __future__ import annotations

import asyncio
import shutil
import sys
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from bench.contestants import node
from runtime.contracts import StartRequest
from runtime.errors import INVALID, Error
from runtime.payload import Payload
from runtime.temporal.dev_server import DevServer
from tests.temporal.stage import Files, staged

THERE = Path(__file__).parent / "elsewhere"
NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
#: What a worker of elsewhere has, by type; each of the two programs in `elsewhere/` has them all.
CHARGE = {"name": "charge", "kind": "temporal.activity", "type": "ChargeCard"}
INVOICE = {"name": "invoice", "kind": "temporal.workflow", "type": "Invoice"}
MAIN = """
local M = {}
function M.main(n)
    local events = process.events()
    local charged, err = funcs.call("t:charge", { n = n })
    if err then return { err:kind(), err:message() } end
    local later = funcs.async("t:charge", { n = n + 1 })
    local invoiced = assert(workflow.exec("t:invoice", { n = n }))
    local pid = assert(process.with_options({ ["workflow.id"] = workflow.info().workflow_id .. "-child" })
        :spawn("t:invoice", QUEUE, { n = 0, waits = true }))
    assert(process.send(pid, "go", "now"))
    local event = events:receive()
    return { charged = charged, later = later:await(), invoiced = invoiced, ended = event.result.value }
end
return M
"""
WHAT_MAIN_SAYS = {
    "charged": {"charged": 3},
    "later": {"charged": 4},
    "invoiced": {"invoiced": 3},
    "ended": {"invoiced": 0, "said": "now"},
}


def foreign(files: Files, queue: str, **more: Any) -> Files:
    for entry in (CHARGE, INVOICE):
        files.entry(**entry, task_queue=queue, input_schema=NUMBER, **more)
    return files


@asynccontextmanager
async def elsewhere(command: Sequence[str]) -> AsyncIterator[None]:
    """A worker in a process of its own, from its word that it polls until its input ends."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        said = await child.stdout.readline()
        assert said == b"ready\n", said
        yield
    finally:
        child.stdin.close()
        await child.wait()


def python_worker(address: str, queue: str) -> list[str]:
    return [sys.executable, str(THERE / "worker.py"), address, queue]


async def typescript_worker(directory: Path, address: str, queue: str) -> list[str]:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("there is no Node here")
    problem = await node.available()
    assert problem is None, problem
    for name in ("worker.mjs", "workflows.mjs"):
        shutil.copyfile(THERE / name, directory / name)
    (directory / "node_modules").symlink_to(node.CACHE / "node_modules")
    return ["node", str(directory / "worker.mjs"), address, queue]


async def test_lua_calls_and_starts_what_a_plain_python_worker_has(files: Files, temporal_server: DevServer) -> None:
    queue = f"python-{uuid.uuid4()}"
    foreign(files, queue).workflow("main", MAIN.replace("QUEUE", repr(queue)))
    async with (
        elsewhere(python_worker(temporal_server.address, queue)),
        staged(files, temporal_server.address) as stage,
    ):
        run = await stage.start("main", 3)
        assert await stage.result(run) == WHAT_MAIN_SAYS
        assert [result.failure for result in await stage.replay(run)] == [None]


async def test_lua_calls_and_starts_what_a_typescript_worker_has(
    files: Files, temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    queue = f"typescript-{uuid.uuid4()}"
    foreign(files, queue).workflow("main", MAIN.replace("QUEUE", repr(queue)))
    command = await typescript_worker(tmp_path_factory.mktemp("node"), temporal_server.address, queue)
    async with elsewhere(command), staged(files, temporal_server.address) as stage:
        run = await stage.start("main", 3)
        assert await stage.result(run) == WHAT_MAIN_SAYS
        assert [result.failure for result in await stage.replay(run)] == [None]


async def test_a_workflow_of_elsewhere_is_started_from_outside(files: Files, temporal_server: DevServer) -> None:
    """By the client, from a function, and by its type; and its queue may be that of a worker entry that is not started here."""
    queue = f"python-{uuid.uuid4()}"
    files.entry(name="billing", kind="temporal.worker", client="temporal", task_queue=queue, lifecycle={"auto_start": False})  # fmt: skip
    files.entry(**INVOICE, worker="billing", input_schema=NUMBER, result_schema={"required": ["invoiced"]})
    files.function(
        "from_function", "return { main = function(n) return process.exec('t:invoice', 't:billing', { n = n }) end }"
    )
    async with (
        elsewhere(python_worker(temporal_server.address, queue)),
        staged(files, temporal_server.address) as stage,
    ):
        started = await stage.start("invoice", {"n": 4})
        assert started.pid == f"{{t:billing|{started.id}}}"
        assert await stage.result(started) == {"invoiced": 4}
        assert (await stage.runs.describe(started.pid)).entry == "t:invoice"
        by_type = await stage.runs.start(StartRequest("Invoice", [Payload.of({"n": 5})]))
        assert await stage.result(by_type) == {"invoiced": 5}
        assert await stage.call("from_function", 6) == {"invoiced": 6}
        with pytest.raises(
            Error,
            match=r"input of t:invoice: at \.n: 'four' is not of type 'integer' \(input_schema\.properties\.n\.type\)",
        ) as refused:
            await stage.start("invoice", {"n": "four"})
        assert refused.value.kind == INVALID


async def test_an_activity_of_elsewhere_is_called_from_a_function(files: Files, temporal_server: DevServer) -> None:
    queue = f"python-{uuid.uuid4()}"
    foreign(files, queue)
    source = "return { main = function(n) local v, err = funcs.call('t:charge', { n = n }) return v or err:kind() end }"
    files.function("pay", source)
    async with (
        elsewhere(python_worker(temporal_server.address, queue)),
        staged(files, temporal_server.address) as stage,
    ):
        assert await stage.call("pay", 2) == {"charged": 2}
        assert await stage.call("pay", "two") == "Invalid"
        assert await stage.call("pay", -1) == "Declined"


async def test_what_does_not_fit_is_never_sent_and_a_result_that_does_not_is_an_error(
    files: Files, temporal_server: DevServer
) -> None:
    queue = f"python-{uuid.uuid4()}"
    foreign(files, queue, result_schema={"properties": {"charged": {"maximum": 10}, "invoiced": {"maximum": 10}}})
    files.workflow(
        "main",
        """return { main = function(n)
             local seen = {}
             local function say(_, err) seen[#seen + 1] = err and err:kind() .. " " .. err:message() or "fine" end
             say(funcs.call("t:charge", { n = "three" }))
             say(workflow.exec("t:invoice", { n = "three" }))
             say(funcs.call("t:charge", { n = 11 }))
             say(workflow.exec("t:invoice", { n = 11 }))
             say(funcs.call("t:charge", { n = -1 }))
             return seen
           end }""",
    )
    async with (
        elsewhere(python_worker(temporal_server.address, queue)),
        staged(files, temporal_server.address) as stage,
    ):
        run = await stage.start("main")
        assert await stage.result(run) == [
            "Invalid input of t:charge: at .n: 'three' is not of type 'integer' (input_schema.properties.n.type)",
            "Invalid input of t:invoice: at .n: 'three' is not of type 'integer' (input_schema.properties.n.type)",
            "Invalid result of t:charge: at .charged: 11 is greater than the maximum of 10 (result_schema.properties.charged.maximum)",
            "Invalid result of t:invoice: at .invoiced: 11 is greater than the maximum of 10 (result_schema.properties.invoiced.maximum)",
            "Declined the card was declined",
        ]
        types = await stage.event_types(run)
        assert (types.count("ACTIVITY_TASK_SCHEDULED"), types.count("START_CHILD_WORKFLOW_EXECUTION_INITIATED")) == (
            2,
            1,
        )
        assert [result.failure for result in await stage.replay(run)] == [None]


@workflow.defn(name="FromPython")
class FromPython:
    """A Python workflow of a plain worker, which starts a Lua child and calls a Lua activity, each by its type."""

    @workflow.run
    async def run(self, queue: str) -> list[Any]:
        child = await workflow.execute_child_workflow("t:greet", {"name": "ann"}, task_queue=queue)
        activity = await workflow.execute_activity(
            "t:double", 21, task_queue=queue, start_to_close_timeout=timedelta(seconds=30)
        )
        return [child, activity]


async def test_a_python_workflow_starts_a_lua_child_and_a_lua_activity(
    files: Files, temporal_server: DevServer
) -> None:
    files.workflow("greet", "return { main = function(who) return 'hello ' .. who.name end }")
    files.activity("double", "return { main = function(n) return n * 2 end }")
    async with staged(files, temporal_server.address):
        client = await Client.connect(temporal_server.address)
        queue = f"plain-{uuid.uuid4()}"
        async with Worker(
            client, task_queue=queue, workflows=[FromPython], workflow_runner=UnsandboxedWorkflowRunner()
        ):
            said = await client.execute_workflow(FromPython.run, files.queue, id=queue, task_queue=queue)
    assert said == ["hello ann", 42]
