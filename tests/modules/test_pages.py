"""The pages of the host modules: what they show is so, and what a script finds is on them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from aiohttp import web

from runtime.contracts import HttpRequest, HttpResponse
from runtime.modules.queue.delivery import QueueDelivery
from runtime.modules.queue.message import QueueMessage
from runtime.modules.queue.queues import queues_of
from runtime.payload import Payload
from runtime.principal import Actor, Principal
from runtime.process.host import ProcessHost
from tests.docs.pages import ROOT, Block, blocks, shown
from tests.modules.host_script import run
from tests.process.support import MODULES, Lines, call, function, host, load

PAGES = ROOT / "docs" / "modules"
NAMES = [
    "activity",
    "base64",
    "crypto",
    "env",
    "events",
    "hash",
    "http",
    "http_client",
    "operation",
    "outbox",
    "queue",
    "security",
    "sql",
    "store",
    "stream",
    "uuid",
    "yaml",
]
#: What the page of a module uses beside it.
BESIDE = {"outbox": ["sql"]}
SNIPPETS = [
    (name, block)
    for name in NAMES
    for block in blocks(f"docs/modules/{name}.md")
    if block.language == "lua" and block.info != "follows.lua"
]


class Attempt:
    info: dict[str, Any] = {"attempt": 2, "heartbeat_details": {"page": 1}}  # noqa: RUF012
    idempotency_key = "order-7/r-1/5"

    def heartbeat(self, details: Any) -> None: ...
    def is_canceled(self) -> bool:
        return False


@pytest_asyncio.fixture
async def api() -> AsyncIterator[str]:
    """A place that answers 201 with what it was sent."""

    async def echo(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(await request.json(), status=201)

    runner = web.ServerRunner(web.Server(echo))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def policies() -> list[dict[str, Any]]:
    """Those that the page of `security` shows."""
    [block] = [block for block in blocks("docs/modules/security.md") if block.language == "yaml"]
    listed: list[dict[str, Any]] = yaml.safe_load(block.text)
    return listed


async def delivered(target: ProcessHost) -> QueueDelivery:
    """A message of `app:mails`, as a consumer has it."""
    queue = await (await queues_of(target.resources)).of(target.registry, "app:mails")
    assert queue is not None
    await queue.put(QueueMessage(Payload.of("body"), {"priority": 5}))
    return QueueDelivery(queue, await queue.take())


@pytest.mark.parametrize(("name", "block"), SNIPPETS, ids=[name for name, _ in SNIPPETS])
async def test_what_the_page_shows_is_so(tmp_path: Path, api: str, name: str, block: Block) -> None:
    snippet = block.text
    source = f"return function() {snippet.replace('https://api.example.com', api)} end"
    entries = [
        function("shown", modules=[*MODULES, *({name, *BESIDE.get(name, ())} - set(MODULES))], meta={"http_client": {"allow_private": True}}),
        {"name": "shop_url", "kind": "env.variable", "variable": "SHOP_URL", "default": "http://localhost:8080"},
        {"name": "db", "kind": "db.sql.sqlite", "file": ":memory:"},
        {"name": "sessions", "kind": "store.memory"},
        *(policies() if name == "security" else ()),
        {"name": "settings", "kind": "env.storage.file", "file": "settings.env"},
        {"name": "defaults", "kind": "env.storage.memory", "values": {"RETRIES": "3"}},
        {"name": "all", "kind": "env.storage.router", "storages": ["settings", "defaults"]},
        {"name": "retries", "kind": "env.variable", "variable": "RETRIES", "storage": "all"},
        {"name": "memory", "kind": "queue.driver.memory"},
        {"name": "mails", "kind": "queue.queue", "driver": "memory"},
        {"name": "relay", "kind": "outbox.relay", "database": "db"},
    ]  # fmt: skip
    request = HttpRequest(
        "POST", "/", "h", "", {}, {"content-type": "application/json"}, {"shop": "s"}, b'{"id":"o-1"}'
    )  # fmt: skip
    lines = Lines()
    surroundings: dict[str, dict[str, Any]] = {
        "activity": {"activity": Attempt()},
        "http": {"request": request, "response": HttpResponse()},
        "security": {"principal": Principal(Actor("ann", {"role": "clerk", "limit": 100}), ("app:staff",))},
    }
    async with host(load(tmp_path, {"shown.lua": source}, entries), log=lines) as h:
        if block.info == "handler":
            surroundings[name] = {"message": await delivered(h)}
        await call(h, "shown", **surroundings.get(name, {}))
    assert [message for _, message, _ in lines.seen] == shown(snippet)


@pytest.mark.parametrize("name", NAMES)
async def test_everything_a_script_finds_is_on_the_page(tmp_path: Path, name: str) -> None:
    body = f"""
        local found = {{}}
        for key, value in pairs({name}) do
          found[#found + 1] = key
          if type(value) == "table" and key:upper() ~= key then
            for inner in pairs(value) do found[#found + 1] = inner end
          end
        end
        return found
    """
    page = (PAGES / f"{name}.md").read_text()
    found = await run(tmp_path, body, modules=[] if name in MODULES else [name])
    assert found
    assert [key for key in found if not re.search(rf"\b{key}\b", page)] == []
