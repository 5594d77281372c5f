"""What a run publishes, as handlers, functions and processes hear it: `stream.subscribe`."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import INVALID, NOT_FOUND, PERMISSION_DENIED, Error
from runtime.temporal.dev_server import DevServer
from tests.docs import pages
from tests.http.site import Site
from tests.http.test_events import blocks
from tests.http.test_streams import WORDS, named, serving, write
from tests.waiting import eventually

HEARS = """
local stream, process = require("stream"), require("process")
local F = {}

function F.hears(run, options)
    local events, err = stream.subscribe(run, options)
    if err then return nil, err end
    local found = {}
    while true do
        local event, ok = events:receive()
        if not ok then return found end
        found[#found + 1] = { event.event, event.name or "", event.data or event.result }
    end
end

-- Takes the first event only, closes the channel, and goes on.
function F.leaves(run)
    local events = assert(stream.subscribe(run))
    local first = events:receive()
    events:close()
    local _, ok = events:receive()
    process.listen("end"):receive()
    return { first.name, ok }
end
return F
"""
ENTRIES = """
  - {name: api, kind: http.router, server: server, prefix: /}
  - {name: e_serves, kind: http.endpoint, router: api, method: GET, path: "/answers/{id}", func: serves}
  - {name: serves, kind: function.lua, source: file://follows.lua, modules: [http, stream]}
  - {name: hears, kind: function.lua, source: file://hears.lua, method: hears, modules: [stream]}
  - {name: host, kind: process.host}
  - {name: leaves, kind: process.lua, source: file://hears.lua, method: leaves, modules: [stream]}
  - {name: readers, kind: security.policy, policy: {actions: "process.read", resources: "answer-*", effect: allow}}
"""


@pytest.fixture
async def web(tmp_path: Path, temporal_server: DevServer) -> AsyncIterator[Site]:
    (tmp_path / "hears.lua").write_text(HEARS)
    [shown] = [block for block in pages.blocks("docs/modules/stream.md") if block.info == "follows.lua"]
    (tmp_path / "follows.lua").write_text(shown.text)
    async with serving(write(tmp_path, ENTRIES), temporal_server) as site:
        yield site


async def answering(web: Site) -> str:
    return (await web.runtime.start("web:answer", WORDS, id=f"answer-{uuid.uuid4().hex[:8]}")).id


async def test_a_handler_serves_a_stream_of_its_own_that_a_client_resumes(web: Site) -> None:
    run = await answering(web)
    url = f"{web.url}/answers/{run}"
    async with web.session.get(url) as response:
        assert response.status == 200
        events = blocks(response)
        live = [await anext(events) for _ in WORDS]
        assert [event.data for event in live] == [{"word": word} for word in WORDS]
        await web.runtime.send(run, "go")
        end = await named(events, "completed")
        assert [event async for event in events] == []
    async with web.session.get(url, headers={"Last-Event-ID": live[2].id}) as response:
        assert [event.id async for event in blocks(response)] == [event.id for event in [*live[3:], end]]


async def test_a_function_hears_what_was_published_before_it_came(web: Site) -> None:
    run = await answering(web)
    await web.runtime.send(run, "go")
    await web.runtime.result(run)
    tokens: list[Any] = [["stream", "tokens", {"word": word}] for word in WORDS]
    end = ["completed", "", len(WORDS)]
    assert await web.runtime.call("web:hears", run) == [*tokens, end]
    assert await web.runtime.call("web:hears", run, {"name": "other"}) == [end]


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"after": "x"}, INVALID, "'x' is not the id of an event"),
        ({"after": 5}, INVALID, "after is the id of an event"),
        ({"name": ""}, INVALID, "name is the name of a stream"),
        ({}, NOT_FOUND, "nobody"),
    ],
)
async def test_who_cannot_subscribe_is_told_why(web: Site, options: dict[str, Any], kind: str, text: str) -> None:
    with pytest.raises(Error, match=text) as refused:
        await web.runtime.call("web:hears", "nobody", options)
    assert refused.value.kind == kind
    if kind == NOT_FOUND:
        assert (await web.get("/answers/nobody")).status == 404


async def test_who_may_not_read_a_run_may_not_subscribe_to_it(web: Site) -> None:
    run = await answering(web)
    await web.runtime.send(run, "go")
    with pytest.raises(Error, match=r"process\.read") as refused:
        await web.runtime.call("web:hears", run, scope=["web:nothing"])
    assert refused.value.kind == PERMISSION_DENIED
    assert (await web.runtime.call("web:hears", run, scope=["web:readers"]))[-1][0] == "completed"


async def test_a_reader_that_goes_lets_go_of_the_run(web: Site) -> None:
    """By closing its channel, or by ending."""
    run = await answering(web)
    tails = web.runtime._runs._feeds._tails
    pid = await web.runtime.spawn("web:leaves", run, worker="web:host")
    await eventually(lambda: not tails)
    async with web.session.get(f"{web.url}/answers/{run}") as response:
        await anext(blocks(response))
        assert len(tails) == 1
    await eventually(lambda: not tails)
    await web.runtime.send(pid, "end")
    assert await web.runtime.result(pid) == ["tokens", False]
    await web.runtime.terminate(run)
