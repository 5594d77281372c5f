"""A workflow of elsewhere at every door that starts runs: Python, HTTP, the command line, a schedule; each holds its schema."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import aiohttp
import pytest

from runtime import Error, Runtime
from runtime.errors import INVALID
from runtime.loading import load_registry
from runtime.registry import RegistryError
from runtime.settings import Settings
from runtime.temporal.dev_server import DevServer
from tests.cli.shell import evermoon
from tests.temporal.workflow.test_foreign import elsewhere, python_worker
from tests.waiting import eventually

REGISTRY = """
namespace: app
entries:
  - {name: temporal, kind: temporal.client, address: "${env:TEMPORAL_ADDRESS|localhost:1}"}
  - {name: web, kind: http.service, addr: "127.0.0.1:0"}
  - name: invoice
    kind: temporal.workflow
    type: Invoice
    task_queue: QUEUE
    options: {workflow.execution_timeout: 10m}
    input_schema: {type: object, required: [n], properties: {n: {type: integer}}}
    result_schema: {type: object, properties: {invoiced: {maximum: 10}}}
  - {name: NIGHTLY, kind: temporal.schedule, workflow: invoice, input: {n: 7}, interval: 1h}
"""
UNFIT = "input of app:invoice: at .n: 'x' is not of type 'integer' (input_schema.properties.n.type)"


@pytest.fixture
def queue() -> str:
    return f"elsewhere-{uuid.uuid4()}"


@pytest.fixture
def registry(tmp_path: Path, queue: str) -> Path:
    path = tmp_path / "registry.yaml"
    path.write_text(REGISTRY.replace("QUEUE", queue).replace("NIGHTLY", f"nightly-{queue}"))
    return path


async def test_python_starts_it(registry: Path, queue: str, temporal_server: DevServer) -> None:
    async with (
        elsewhere(python_worker(temporal_server.address, queue)),
        Runtime.open(registry, temporal=temporal_server.address) as runtime,
    ):
        pid = await runtime.spawn("app:invoice", {"n": 3})
        assert pid.startswith(f"{{{queue}|invoice-")
        assert await runtime.result(pid, timeout=60) == {"invoiced": 3}
        with pytest.raises(Error) as refused:
            await runtime.spawn("app:invoice", {"n": "x"})
        assert (refused.value.kind, refused.value.message) == (INVALID, UNFIT)
        with pytest.raises(Error, match=r"result of app:invoice: at \.invoiced: 11 is greater") as unfit:
            await runtime.result(await runtime.spawn("app:invoice", {"n": 11}), timeout=60)
        assert unfit.value.details is not None
        assert unfit.value.details["path"] == ".invoiced"


async def test_http_starts_it_and_lists_it(registry: Path, queue: str, temporal_server: DevServer) -> None:
    async with (
        elsewhere(python_worker(temporal_server.address, queue)),
        Runtime.open(registry, temporal=temporal_server.address, http=True) as runtime,
        aiohttp.ClientSession(runtime.urls["app:web"]) as session,
    ):
        async with session.post("/api/v1/workflows/app:invoice", json={"n": 3}) as answer:
            assert answer.status == 202
            run = (await answer.json())["id"]
        assert await runtime.result(run, timeout=60) == {"invoiced": 3}
        async with session.post("/api/v1/workflows/Invoice", json={"n": "x"}) as answer:
            assert (answer.status, (await answer.json())["detail"]) == (400, UNFIT)
        async with session.get("/api/v1/entries/app:invoice") as answer:
            shown = await answer.json()
        assert (shown["kind"], shown["workflow_type"], shown["task_queue"]) == ("temporal.workflow", "Invoice", queue)
        async with session.get("/openapi.json") as answer:
            assert "/api/v1/workflows/app:invoice" in (await answer.json())["paths"]


async def test_the_command_line_starts_it(registry: Path, queue: str, temporal_server: DevServer) -> None:
    env = {"TEMPORAL_ADDRESS": temporal_server.address}
    words = ("start", "--registry", str(registry), "--json", "app:invoice")
    async with elsewhere(python_worker(temporal_server.address, queue)):
        done = await asyncio.to_thread(evermoon, registry.parent, *words, '{"n": 3}', "--wait", env=env)
        assert (done.status, done.json) == (0, {"invoiced": 3})
        refused = await asyncio.to_thread(evermoon, registry.parent, *words, '{"n": "x"}', env=env)
    assert refused.status != 0
    assert UNFIT in refused.out + refused.err


async def test_a_schedule_starts_it(registry: Path, queue: str, temporal_server: DevServer) -> None:
    async with (
        elsewhere(python_worker(temporal_server.address, queue)),
        Runtime.open(registry, temporal=temporal_server.address) as runtime,
    ):
        schedule = f"app:nightly-{queue}"

        async def known() -> bool:
            return schedule in [view.entry for view in await runtime.schedules.list()]

        await eventually(known)
        await runtime.schedules.trigger(schedule)

        async def ended() -> list[str]:
            return [run.state async for run in runtime.list(f'TaskQueue = "{queue}"')]

        await eventually(ended, lambda states: states == ["completed"])
        await runtime.schedules.delete(schedule)


def test_the_input_of_a_schedule_is_held_to_its_schema(registry: Path) -> None:
    registry.write_text(registry.read_text().replace("input: {n: 7}", "input: {n: x}"))
    with pytest.raises(RegistryError, match=r"input is not what app:invoice takes"):
        load_registry(Settings.read(registry=registry, environ={}))
