from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from runtime.app.runtime import Runtime
from runtime.errors import INVALID, PERMISSION_DENIED, UNAVAILABLE, Error
from runtime.http import Backend, HttpOptions, HttpServer, http_checks
from runtime.payload import Payload
from runtime.registry import Registry, RegistryError
from tests.http import site
from tests.http.serving import entries, load, serving
from tests.http.site import Site

NO_WORKFLOWS: Any = None  # these tests start no runs


class Functions:
    """Answers calls with what `answer` says; `called` is set when one has begun."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.called = asyncio.Event()
        self.go_on = asyncio.Event()

    async def call(
        self,
        entry_id: str,
        args: Sequence[Payload],
        *,
        caller: Any = None,
        trigger: Any = None,
        timeout: float | None = None,
        former: Any = None,
    ) -> Payload:
        self.called.set()
        await self.go_on.wait()
        return Payload.of(entry_id)


def registry(directory: Path, addr: str = "127.0.0.1:0", more: str = "", service: str = "") -> Registry:
    """`service`: further fields of the service, each with a comma before it."""
    (directory / "h.lua").write_text("return function() end")
    path = directory / "registry.yaml"
    path.write_text(f"""
version: "1.0"
namespace: web
entries:
  - {{name: server, kind: http.service, addr: "{addr}"{service}}}
  - {{name: router, kind: http.router, server: server}}
  - {{name: handler, kind: function.lua, source: file://h.lua, method: main}}
  - {{name: a, kind: http.endpoint, router: router, path: /a, func: handler}}
{more}""")
    return Registry.load(path, environ={}, checks=[http_checks])


def server(registry: Registry, functions: Functions | None = None, **options: Any) -> HttpServer:
    return HttpServer(Backend(registry, functions or Functions(), NO_WORKFLOWS), HttpOptions(**options))


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


async def test_a_taken_port_is_told(tmp_path: Path, taken: int) -> None:
    with pytest.raises(Error, match=r"web:server.*taken") as refused:
        await server(registry(tmp_path, f"127.0.0.1:{taken}")).start()
    assert refused.value.kind == UNAVAILABLE


async def test_in_dev_the_next_free_port_is_used_and_told(tmp_path: Path, taken: int) -> None:
    moved = server(registry(tmp_path, f"127.0.0.1:{taken}"), move_ports=True)
    await moved.start()
    assert moved.urls["web:server"] != f"http://127.0.0.1:{taken}"
    async with aiohttp.ClientSession() as session, session.get(moved.urls["web:server"] + "/healthz") as answer:
        assert answer.status == 200
    await moved.stop()


@pytest.mark.parametrize("addr", ["0.0.0.0:0", ":0", "[::]:0"])
async def test_an_address_others_can_reach_is_refused_without_authentication(tmp_path: Path, addr: str) -> None:
    with pytest.raises(Error, match="--insecure") as refused:
        await server(registry(tmp_path, addr)).start()
    assert refused.value.kind == PERMISSION_DENIED


async def test_insecure_says_that_it_is_meant(tmp_path: Path) -> None:
    exposed = server(registry(tmp_path, "0.0.0.0:0"), insecure=True)
    await exposed.start()
    assert exposed.urls
    await exposed.stop()


async def test_stopping_lets_requests_under_way_end_and_takes_no_more(tmp_path: Path) -> None:
    functions = Functions()
    draining = server(registry(tmp_path), functions)
    await draining.start()
    url = draining.urls["web:server"]
    async with aiohttp.ClientSession() as session:
        under_way = asyncio.create_task(_get(session, url + "/a"))
        await functions.called.wait()
        stopping = asyncio.create_task(draining.stop())
        with pytest.raises(aiohttp.ClientConnectionError):
            await _ask_for_ever(session, url + "/healthz")
        functions.go_on.set()
        assert await under_way == (200, '"web:handler"')
        await stopping


async def test_requests_under_way_get_the_stop_timeout_of_their_service(tmp_path: Path) -> None:
    """What the server has for all others is longer than any test."""
    functions = Functions()
    draining = server(registry(tmp_path, service=", lifecycle: {stop_timeout: 1ms}"), functions, grace=3600)
    await draining.start()
    async with aiohttp.ClientSession() as session:
        under_way = asyncio.create_task(_get(session, draining.urls["web:server"] + "/a"))
        await functions.called.wait()
        await draining.stop()
        with pytest.raises(aiohttp.ClientConnectionError):
            await under_way


async def _ask_for_ever(session: aiohttp.ClientSession, url: str) -> None:
    while True:
        await _get(session, url)


async def _get(session: aiohttp.ClientSession, url: str) -> tuple[int, str]:
    async with session.get(url) as answer:
        return answer.status, await answer.text()


async def test_a_reload_changes_routes_while_the_server_listens(tmp_path: Path) -> None:
    functions = Functions()
    functions.go_on.set()
    reloaded = server(registry(tmp_path), functions)
    await reloaded.start()
    more = "  - {name: b, kind: http.endpoint, router: router, path: /b, func: handler}"
    async with aiohttp.ClientSession() as session:
        assert (await _get(session, reloaded.urls["web:server"] + "/b"))[0] == 404
        await reloaded.reload(registry(tmp_path, more=more), NO_WORKFLOWS)
        assert (await _get(session, reloaded.urls["web:server"] + "/b"))[0] == 200
    await reloaded.stop()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            "{name: m, kind: http.endpoint, router: router, path: /metrics, func: handler}",
            "GET /metrics is answered by",
        ),
        (
            '{name: r, kind: http.endpoint, router: router, path: "/api/v1/runs/{x}", func: handler}',
            "by Evermoon itself",
        ),
        (
            "{name: s, kind: http.static, server: server, path: /s, directory: .}\n"
            "  - {name: t, kind: http.static, server: server, path: /s/, directory: .}",
            "also that of web:s",
        ),
    ],
    ids=["metrics", "runs", "files"],
)
def test_a_path_that_is_taken_is_a_problem_of_the_registry(tmp_path: Path, more: str, told: str) -> None:
    with pytest.raises(RegistryError, match=told):
        registry(tmp_path, more=f"  - {more}")


async def test_a_schema_that_is_none_is_a_problem_of_the_registry(tmp_path: Path) -> None:
    more = "  - {name: w, kind: workflow.lua, source: file://h.lua, input_schema: {type: nonsense}}"
    with pytest.raises(RegistryError, match=r"web:w.*input_schema") as refused:
        registry(tmp_path, more=more)
    assert refused.value.kind == INVALID


async def test_what_is_no_http_gets_a_problem(web: Site) -> None:
    port = int(web.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/9.9.9\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    assert " 400 " in text.splitlines()[0]
    assert "application/problem+json" in text
    assert "evermoon" in text
    assert "aiohttp" not in text


async def test_a_client_that_asks_first_is_told_to_go_on(web: Site) -> None:
    answer = await web.post("/api/v1/workflows/web:echo", 1, expect100=True)
    assert answer.status == 202


async def test_ready_when_the_workers_poll(web: Site) -> None:
    assert (await web.get("/readyz")).status == 200


async def test_not_ready_names_what_is_missing(tmp_path: Path) -> None:
    async def missing() -> Sequence[str]:
        return ["worker w does not poll"]

    backend = Backend(registry(tmp_path), Functions(), NO_WORKFLOWS, missing)
    starting = HttpServer(backend)
    await starting.start()
    async with aiohttp.ClientSession() as session:
        status, text = await _get(session, starting.urls["web:server"] + "/readyz")
    await starting.stop()
    assert status == 503
    assert "worker w does not poll" in text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/workflows/web:echo"),
        ("GET", "/api/v1/runs"),
        ("GET", "/api/v1/runs/one"),
        ("GET", "/api/v1/runs/one/result"),
        ("GET", "/api/v1/runs/one/events"),
        ("GET", "/api/v1/runs/one/history"),
        ("POST", "/api/v1/runs/one/signals/go"),
        ("POST", "/api/v1/runs/one/cancel"),
    ],
)
async def test_without_temporal_the_api_of_runs_is_503(away: Site, method: str, path: str) -> None:
    answer = await away.ask(method, path)
    assert (answer.status, answer.json["kind"], answer.json["retryable"]) == (503, "Unavailable", True)
    assert (await away.get("/healthz")).status == 200
    assert (await away.get("/shop/orders/7")).json == {"a": 1}


@pytest.fixture(scope="module")
async def away(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """The application, with a Temporal server that is not there."""
    registry = site.write(tmp_path_factory.mktemp("away"))
    async with (
        Runtime.open(registry, temporal="127.0.0.1:1", http=True, workers=False, environ={}) as runtime,
        aiohttp.ClientSession() as session,
    ):
        yield Site(runtime, session)


async def test_a_reload_takes_up_the_limits_of_a_service_that_listens(tmp_path: Path) -> None:
    handlers = "function H.echo() return #http.request():body() end"
    text = entries("POST /echo echo", service="max_body: 1MiB")
    async with serving(tmp_path, text, handlers) as web:
        assert (await web.ask("POST", "/echo", data=b"x" * 100)).status == 200
        await web.server.reload(load(tmp_path, text.replace("1MiB", "10B"), handlers), NO_WORKFLOWS)
        assert (await web.ask("POST", "/echo", data=b"x" * 100)).status == 413
        assert (await web.ask("POST", "/echo", data=b"x" * 10)).status == 200


async def test_tls_is_not_switched_on_under_a_connection(tmp_path: Path) -> None:
    text = entries("GET /hello hello")
    handlers = "function H.hello() return 'hello' end"
    async with serving(tmp_path, text, handlers) as web:
        changed = text.replace('addr: "127.0.0.1:0"', 'addr: "127.0.0.1:0", tls: {cert: c.pem, key: k.pem}')
        with pytest.raises(Error, match="web:server: tls"):
            await web.server.reload(load(tmp_path, changed, handlers), NO_WORKFLOWS)
        assert (await web.get("/hello")).status == 200
