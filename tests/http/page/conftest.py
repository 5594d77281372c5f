"""An application to watch, and a browser that watches it."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from runtime.app.runtime import Runtime
from runtime.temporal.dev_server import DevServer
from tests.entries.browser import NoBrowser, Page, browser, chromium

TOKEN = "moonlight"
SCRIPTS = {
    "answer.lua": """
local funcs, workflow = require("funcs"), require("workflow")

return function(input)
  local name = "unnamed"
  workflow.query("named", function() return { name = name } end)
  workflow.update("rename", function(to)
    name = to
    return "renamed to " .. to
  end, function(to)
    if to == "" then return nil, errors.new(errors.INVALID, "a name is not empty") end
    return true
  end)
  workflow.status("thinking about " .. input.prompt)
  local text = funcs.call("app:generate", input)
  local word, _, canceled = process.listen("approve"):receive() -- here it waits
  if canceled then return nil, canceled end
  return { text = text, name = name, by = word and word.by }
end
""",
    "generate.lua": """
local stream, activity = require("stream"), require("activity")

return function(input)
  if activity.info().attempt == 1 then return nil, errors.new(errors.UNAVAILABLE, "the model is <b>cold</b>") end
  for n, word in ipairs({ "the moon", " said ", input.prompt }) do stream.publish("tokens", word, { position = n }) end
  return input.prompt
end
""",
}
REGISTRY = """
version: "1.0"
namespace: app
entries:
  - {name: temporal, kind: temporal.client, address: "localhost:1"}
  - {name: worker, kind: temporal.worker, client: temporal, task_queue: QUEUE}
  - {name: web, kind: http.service, addr: "127.0.0.1:0"}
  - {name: guarded, kind: http.service, addr: "127.0.0.1:0"}
  - {name: door, kind: http.router, server: guarded, prefix: /, middleware: [token_auth], options: {token_auth.tokens: TOKEN}}
  - name: answer
    kind: workflow.lua
    source: file://answer.lua
    modules: [funcs, workflow]
    input_schema:
      type: object
      required: [prompt]
      properties:
        prompt: {type: string, minLength: 2, description: "What is asked."}
        words: {type: integer}
        tone: {enum: [dry, warm]}
    meta:
      temporal:
        workflow:
          worker: worker
          signals: {approve: {type: object, properties: {by: {type: string}}}}
          queries: {named: {}}
          updates: {rename: {type: string}}
  - name: generate
    kind: function.lua
    source: file://generate.lua
    modules: [stream, activity]
    meta: {temporal: {activity: {worker: worker}}, options: {activity.retry_policy: {initial_interval: 10ms}}}
"""
#: What goes wrong in the page without anybody seeing it.
WATCHED = """
window.faults = [];
for (const name of ["error", "unhandledrejection", "securitypolicyviolation"])
  addEventListener(name, (event) => faults.push(`${name}: ${event.message ?? event.reason ?? event.violatedDirective}`));
"""


@dataclass
class Watched:
    runtime: Runtime
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return self.runtime.urls["app:web"]

    async def post(self, path: str, body: Any) -> Any:
        async with self.session.post(f"{self.url}/api/v1{path}", json=body) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def start(self, prompt: str = "why") -> str:
        return str((await self.post("/workflows/app:answer", {"prompt": prompt}))["id"])


@pytest.fixture(scope="module")
async def watched(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    directory = tmp_path_factory.mktemp("watched")
    for name, text in SCRIPTS.items():
        (directory / name).write_text(text)
    queue = f"page-{uuid.uuid4().hex[:8]}"
    (directory / "registry.yaml").write_text(REGISTRY.replace("QUEUE", queue).replace("TOKEN", TOKEN))
    path = directory / "registry.yaml"
    async with (
        Runtime.open(path, temporal=temporal_server.address, http=True, environ={}) as runtime,
        aiohttp.ClientSession() as session,
    ):
        yield Watched(runtime, session)


Open = Callable[..., Awaitable[Page]]


@pytest.fixture
async def look(tmp_path: Path) -> AsyncIterator[Open]:
    """Opens an address in a browser; when the test is over, nothing may have gone wrong in the page."""
    program = chromium()
    if program is None:
        pytest.skip("there is no Chromium here: the page is not tested")
    async with AsyncExitStack() as stack:
        opened: list[Page] = []

        async def look(url: str, width: int = 1200) -> Page:
            try:
                page = await stack.enter_async_context(browser(program, tmp_path / "profile", "about:blank"))
            except NoBrowser as error:
                pytest.skip(f"{program} does not run here ({error}): the page is not tested")
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
            await page.tell("Emulation.setDeviceMetricsOverride", **size)
            await page.tell("Page.enable")
            await page.tell("Page.addScriptToEvaluateOnNewDocument", source=WATCHED)
            await page.tell("Page.navigate", url=url)
            await page.until("document.querySelector('main h1') || document.getElementById('token-dialog')?.open")
            opened.append(page)
            return page

        yield look
        await asyncio.gather(*(_faultless(page) for page in opened))


async def _faultless(page: Page) -> None:
    assert await page.do("window.faults") == []


def says(text: str, where: str = "main") -> str:
    return f"document.querySelector({json.dumps(where)})?.innerText.includes({json.dumps(text)})"
