"""HTTP services over real Lua handlers, without Temporal: for tests of what happens on the wire."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from runtime.http import Backend, HttpOptions, HttpServer, http_checks
from runtime.lua.program import Programs
from runtime.payload import Payload
from runtime.process.host import ProcessHost
from runtime.registry import Registry
from tests.http.site import Answer
from tests.process.support import Lines, pids

NO_WORKFLOWS: Any = None

HEAD = """
version: "1.0"
namespace: web
entries:
"""


def entries(handlers: str, *more: str, service: str = "", router: str = "") -> str:
    """A service, a router `r` on `/`, and for each `METHOD /path name` line an endpoint answered by that function of `handlers.lua`."""
    lines = [
        f'  - {{name: server, kind: http.service, addr: "127.0.0.1:0"{service and ", "}{service}}}',
        f'  - {{name: r, kind: http.router, server: server, prefix: "/"{router and ", "}{router}}}',
    ]
    names = set()
    for number, line in enumerate(filter(None, map(str.strip, handlers.splitlines()))):
        method, path, name = line.split()
        names.add(name)
        lines.append(
            f'  - {{name: e{number}, kind: http.endpoint, router: r, method: {method}, path: "{path}", func: {name}}}'
        )
    lines += [
        f"  - {{name: {name}, kind: function.lua, source: file://handlers.lua, method: {name}, "
        "modules: [http, json, time], pool: {size: 200}}"
        for name in sorted(names)
    ]
    return HEAD + "\n".join([*lines, *(f"  - {entry}" for entry in more)])


def load(directory: Path, text: str, scripts: str = "", environ: Mapping[str, str] | None = None) -> Registry:
    """A registry over handlers that are fields of `H`."""
    (directory / "handlers.lua").write_text(
        'local http = require("http")\nlocal H = {}\n' + textwrap.dedent(scripts) + "\nreturn H"
    )
    return load_text(directory, text, environ)


def load_text(directory: Path, text: str, environ: Mapping[str, str] | None = None) -> Registry:
    (directory / "registry.yaml").write_text(text)
    return Registry.load(directory / "registry.yaml", environ=environ or {}, checks=[http_checks])


@dataclass
class Serving:
    server: HttpServer
    host: ProcessHost
    session: aiohttp.ClientSession
    lines: Lines
    service: str = "web:server"

    @property
    def url(self) -> str:
        return self.server.urls[self.service]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        url = URL(self.url + path, encoded=True)
        async with self.session.request(method, url, allow_redirects=False, **options) as response:
            return Answer(response.status, response.headers.copy(), await response.text())

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.ask("GET", path, **options)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def raw(self, sent: bytes) -> bytes:
        """What comes back, until the server closes."""
        reader, writer = await self.connect()
        writer.write(sent)
        try:
            return await reader.read()
        finally:
            writer.close()

    async def tell(self, topic: str, value: Any = None) -> None:
        """A message to the oldest handler under way, once there is one."""
        [pid, *_] = await pids(self.host)
        self.host.send(pid, topic, [Payload.of(value)])


@asynccontextmanager
async def serving(
    directory: Path,
    text: str,
    scripts: str = "",
    environ: Mapping[str, str] | None = None,
    *,
    whole: bool = False,
    **options: Any,
) -> AsyncIterator[Serving]:
    """`whole`: `scripts` is all of `handlers.lua`."""
    lines = Lines()
    if whole:
        (directory / "handlers.lua").write_text(scripts)
    registry = load_text(directory, text, environ) if whole else load(directory, text, scripts, environ)
    host = ProcessHost(registry, Programs(registry), log=lines)
    server = HttpServer(Backend(registry, host, NO_WORKFLOWS), HttpOptions(grace=1, **options))
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Serving(server, host, session, lines)
    finally:
        await server.stop()
        await host.close(0)


def chunk(data: bytes) -> bytes:
    """One chunk of `Transfer-Encoding: chunked`."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
