"""A small application for the HTTP tests: its registry, its scripts, and a client that speaks to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from runtime.app.runtime import Runtime
from tests import definitions

SCRIPTS = {
    "echo.lua": "return function(...) return ... end",
    "waiting.lua": """
local workflow = require("workflow")

return function()
    local name = "unnamed"
    workflow.query("name", function(asked) return { name = name, asked = asked } end)
    workflow.update("rename", function(to)
        name = to
        return "renamed"
    end, function(to)
        if to == "" then
            return nil, errors.new(errors.INVALID, "a name is not empty")
        end
        return true
    end)
    local value, _, canceled = process.listen("go"):receive()
    if canceled then
        return nil, canceled
    end
    return { got = value, name = name }
end
""",
    "refusing.lua": """
return function(sku)
    return nil, errors.new({ message = "out of stock", kind = errors.CONFLICT, details = { sku = sku } })
end
""",
    "raising.lua": """
local function deeper()
    error("boom")
end

return function()
    deeper()
end
""",
    "handlers.lua": """
local http = require("http")

local H = {}

function H.whole()
    local req, res = http.request(), http.response()
    res:set_status(201)
    res:set_header("X-Order", req:param("id"))
    res:write_json({
        method = req:method(), path = req:path(), id = req:param("id"), q = req:query("q"),
        agent = req:header("x-Agent"), body = req:has_body() and req:body() or json.null,
    })
end

function H.table() return { a = 1 } end
function H.status() http.response():set_status(204) end
function H.refuse() return nil, errors.new(errors.NOT_FOUND, "no such order") end
function H.raise() error("handler broke") end
function H.rest() return { rest = http.request():param("rest") } end

return H
""",
}

REGISTRY = definitions.with_worker(
    """
  - {name: server, kind: http.service, addr: "127.0.0.1:0", max_body: 64KiB}
  - {name: api, kind: http.router, server: server, prefix: /shop}
  - {name: root, kind: http.router, server: server, prefix: /}
WORKFLOWS
HANDLERS
  - {name: e_whole, kind: http.endpoint, router: api, method: POST, path: "/orders/{id}", func: whole}
  - {name: e_table, kind: http.endpoint, router: api, method: GET, path: "/orders/{id}", func: table}
  - {name: e_status, kind: http.endpoint, router: api, method: DELETE, path: "/orders/{id}", func: status}
  - {name: e_refuse, kind: http.endpoint, router: root, method: GET, path: /refuse, func: refuse}
  - {name: e_raise, kind: http.endpoint, router: root, method: GET, path: /raise, func: raise}
  - {name: e_rest, kind: http.endpoint, router: root, method: GET, path: "/files/{rest...}", func: rest}
""",
    namespace="web",
    address="${env:SECRET_ADDRESS|localhost:1}",
)

SCHEMA = {
    "type": "object",
    "required": ["amount"],
    "properties": {"amount": {"type": "integer", "minimum": 1}},
}

HANDLERS = ("whole", "table", "status", "refuse", "raise", "rest")


def write(directory: Path) -> Path:
    """The application's files; the path of its registry. Each has a task queue of its own."""
    for name, text in SCRIPTS.items():
        (directory / name).write_text(text)
    worker = "meta: {temporal: {workflow: {worker: worker}}}"
    workflows = [
        f"  - {{name: {name}, kind: workflow.lua, source: file://{name}.lua, modules: [workflow], {worker}}}"
        for name in ("echo", "waiting", "refusing", "raising")
    ]
    workflows.append(
        "  - {name: strict, kind: workflow.lua, source: file://echo.lua, "
        f"input_schema: {json.dumps(SCHEMA)}, {worker}}}"
    )
    handlers = [
        f"  - {{name: {name}, kind: function.lua, source: file://handlers.lua, method: {name}, modules: [http, json]}}"
        for name in HANDLERS
    ]
    text = REGISTRY.replace("WORKFLOWS", "\n".join(workflows)).replace("HANDLERS", "\n".join(handlers))
    return definitions.write(directory, text)


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Site:
    runtime: Runtime
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return self.runtime.urls["web:server"]

    async def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        """One request. `body`: a JSON value, or bytes as they are (then sent as JSON all the same)."""
        headers = dict(options.pop("headers", {}))
        if body is not None:
            options["data"] = body if isinstance(body, bytes) else json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        url = URL(self.url + path, encoded=True)
        async with self.session.request(method, url, headers=headers, **options) as response:
            return Answer(response.status, response.headers.copy(), await response.text())

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.ask("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return await self.ask("POST", path, body, **options)

    async def start(self, entry: str, body: Any = None, **options: Any) -> str:
        answer = await self.post(f"/api/v1/workflows/web:{entry}", body, **options)
        assert answer.status == 202, answer.text
        run: str = answer.json["id"]
        return run
