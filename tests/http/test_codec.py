"""The codec server: values as they were before they were encrypted or stored, for Temporal's own tools."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from temporalio.client import Client

from runtime.app.runtime import Runtime
from runtime.http import HttpOptions
from runtime.temporal.dev_server import DevServer, find_cli
from tests.http.site import Site

KEY, TOKEN = "1f" * 32, "secret" * 4
REGISTRY = """
namespace: web
entries:
  - {{name: temporal, kind: temporal.client, address: "127.0.0.1:1", codec: {{type: aes_gcm, key: "{key}"}}, payloads: {{threshold: 64KiB, store: payloads}}}}
  - {{name: worker, kind: temporal.worker, client: temporal, task_queue: "{queue}"}}
  - {{name: server, kind: http.service, addr: "127.0.0.1:0"}}
  - {{name: echo, kind: workflow.lua, source: "file://echo.lua", meta: {{temporal: {{workflow: {{worker: worker}}}}}}}}
{more}"""
GUARDED = """
  - {name: token, kind: env.variable, variable: TOKEN}
  - name: guarded
    kind: http.router
    server: server
    prefix: /
    middleware: [token_auth]
    options: {token_auth.variables: [token], token_auth.scope: [reads]}
  - {name: reads, kind: security.policy, policy: {actions: process.read, resources: "*", effect: allow}}
"""
UI = "http://127.0.0.1:8233"


@asynccontextmanager
async def serving(directory: Path, server: DevServer, more: str = "", **options: Any) -> AsyncIterator[Site]:
    (directory / "echo.lua").write_text("return function(value) return value end")
    (directory / "registry.yaml").write_text(REGISTRY.format(key=KEY, queue=f"codec-{directory.name}", more=more))
    opened = Runtime.open(
        directory / "registry.yaml",
        temporal=server.address,
        http=HttpOptions(**options),
        environ={"TOKEN": TOKEN},
    )
    async with opened as runtime, aiohttp.ClientSession() as session:
        yield Site(runtime, session)


async def input_of(server: DevServer, run: str) -> Any:
    """The first argument of a run as the server has it: a payload of the API."""
    client = await Client.connect(server.address)
    history = await client.get_workflow_handle(run).fetch_history()
    return history.events[0].workflow_execution_started_event_attributes.input.payloads[0]


def as_json(payload: Any) -> dict[str, Any]:
    metadata = {name: base64.b64encode(value).decode() for name, value in payload.metadata.items()}
    sizes = [{"sizeBytes": str(stored.size_bytes)} for stored in payload.external_payloads]
    return {"metadata": metadata, "data": base64.b64encode(payload.data).decode(), "externalPayloads": sizes}


def value_of(payload: dict[str, Any]) -> Any:
    return json.loads(base64.b64decode(payload["data"]))


@pytest.mark.parametrize("value", [{"card": "4242"}, "x" * 200_000], ids=["encrypted", "stored"])
async def test_values_are_decoded_and_encoded(value: Any, tmp_path: Path, temporal_server: DevServer) -> None:
    async with serving(tmp_path, temporal_server) as web:
        run = await web.runtime.start("web:echo", value)
        assert await web.runtime.result(run.id) == value
        sent = as_json(await input_of(temporal_server, run.id))
        assert "4242" not in json.dumps(sent)
        decoded = await web.post("/api/v1/codec/decode", {"payloads": [sent]}, headers={"X-Namespace": "default"})
        assert (decoded.status, [value_of(payload) for payload in decoded.json["payloads"]]) == (200, [value])
        again = await web.post("/api/v1/codec/encode", decoded.json)
        assert again.status == 200
        assert again.json != decoded.json
        back = await web.post("/api/v1/codec/decode", again.json)
        assert back.json == decoded.json


async def test_what_cannot_be_decoded_is_told(tmp_path: Path, temporal_server: DevServer) -> None:
    async with serving(tmp_path, temporal_server) as web:
        unknown = await web.post("/api/v1/codec/decode", {"payloads": []}, headers={"X-Namespace": "defualt"})
        assert (unknown.status, 'did you mean "default"?' in unknown.json["detail"]) == (404, True)
        for body in (b"[]", b"{", b'{"payloads": 5}', b"\xff"):
            wrong = await web.post("/api/v1/codec/decode", body)
            assert wrong.status == 400, (body, wrong.text)
            assert (wrong.status, "no JSON of payloads" in wrong.json["detail"]) == (400, True), body
        foreign = {"metadata": {"encoding": base64.b64encode(b"binary/encrypted").decode()}, "data": "AAAA"}
        refused = await web.post("/api/v1/codec/decode", {"payloads": [foreign]})
        assert refused.status == 403


async def test_only_the_ui_of_this_machine_may_ask_from_another_origin(
    tmp_path: Path, temporal_server: DevServer
) -> None:
    async with serving(tmp_path, temporal_server, ui=UI) as web:
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-namespace"}
        url = f"{web.url}/api/v1/codec/decode"
        for origin, may in ((UI, True), ("http://localhost:8233", True), ("http://127.0.0.1:9999", False)):
            async with web.session.options(url, headers={**asked, "Origin": origin}) as preflight:
                assert (preflight.headers.get("Access-Control-Allow-Origin") == origin) is may
            async with web.session.post(url, json={"payloads": []}, headers={"Origin": origin}) as answer:
                assert answer.status == (200 if may else 403)
        async with web.session.post(f"{web.url}/api/v1/workflows/web:echo", json=1, headers={"Origin": UI}) as answer:
            assert answer.status == 403


async def test_a_scope_is_asked_and_a_token_is_needed(tmp_path: Path, temporal_server: DevServer) -> None:
    async with serving(tmp_path, temporal_server, GUARDED, ui=UI) as web:
        url, body = "/api/v1/codec/decode", dict[str, Any](payloads=[])
        assert (await web.post(url, body)).status == 401
        refused = await web.post(url, body, headers={"Authorization": f"Bearer {TOKEN}"})
        assert (refused.status, "codec.decode on web:temporal" in refused.json["detail"]) == (403, True)


async def test_temporals_command_line_shows_values_by_it(tmp_path: Path, temporal_server: DevServer) -> None:
    async with serving(tmp_path, temporal_server) as web:
        run = await web.runtime.start("web:echo", {"card": "4242"})
        await web.runtime.result(run.id)
        command = [find_cli(), "workflow", "show", "-w", run.id, "--address", temporal_server.address, "-o", "json"]
        endpoint = ["--codec-endpoint", f"{web.url}/api/v1/codec"]
        plain = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
        shown = await asyncio.to_thread(
            subprocess.run, [*command, *endpoint], capture_output=True, text=True, check=True
        )
        clear = base64.b64encode(b'{"card":"4242"}').decode()
        assert clear not in plain.stdout
        assert clear in shown.stdout
