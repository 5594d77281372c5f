"""Queues and events between workflows, activities, HTTP handlers and consumers of one runtime."""

from __future__ import annotations

import uuid
from pathlib import Path

import aiohttp
import pytest

from runtime import Error, Runtime
from runtime.errors import INVALID, NOT_FOUND
from runtime.registry import RegistryError
from runtime.temporal.dev_server import DevServer
from tests.definitions import with_worker, write

SOURCES = {
    # Asks for the work by way of a queue, and waits for whoever did it to say so.
    "order.lua": """return function(id)
      local done = process.listen("done")
      local _, err = funcs.call("app:ask", id)
      if err then return nil, err end
      return done:receive()
    end""",
    "ask.lua": """return function(id)
      return queue.publish("app:work", {id = id}, {reply_to = activity.info().workflow_pid})
    end""",
    "work.lua": """return function(job)
      local m = queue.message()
      if m:attempt() == 1 then error("not yet") end
      events.send("work", "work.done", job.id)
      local reply_to = m:header("reply_to")
      if reply_to then assert(process.send(reply_to, "done", {job.id, m:attempt(), ctx.get("tenant")})) end
    end""",
    "post.lua": """return function()
      local ch = events.subscribe("work", "work.*"):channel()
      assert(queue.publish("app:work", http.request():body_json()))
      return {done = ch:receive().path}
    end""",
}
REGISTRY = with_worker("""
  - {name: web, kind: http.service, addr: "127.0.0.1:0"}
  - {name: api, kind: http.router, server: web}
  - {name: jobs, kind: http.endpoint, router: api, method: POST, path: /jobs, func: post}
  - {name: memory, kind: queue.driver.memory}
  - {name: work, kind: queue.queue, driver: memory, driver_options: {initial_delay: 1ms}}
  - {name: working, kind: queue.consumer, queue: work, func: do_work, concurrency: 2}
  - name: order
    kind: workflow.lua
    source: file://order.lua
    modules: [funcs]
    meta: {temporal: {workflow: {worker: worker}}}
  - name: ask
    kind: function.lua
    source: file://ask.lua
    modules: [queue, activity]
    meta: {temporal: {activity: {worker: worker}}}
  - {name: do_work, kind: function.lua, source: "file://work.lua", modules: [queue, events, ctx]}
  - {name: post, kind: function.lua, source: "file://post.lua", modules: [queue, events, http]}
""")


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    for name, text in SOURCES.items():
        (tmp_path / name).write_text(text)
    return write(tmp_path, REGISTRY)


def change(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


async def test_a_workflow_hears_of_what_was_queued_for_it(registry: Path, temporal_server: DevServer) -> None:
    async with Runtime.open(registry, temporal=temporal_server.address, environ={}) as rt:
        pid = await rt.spawn("app:order", "o-1", context={"tenant": "acme"})
        assert await rt.result(pid, timeout=60) == ["o-1", 2, "acme"]


async def test_a_handler_hears_of_what_it_queued(registry: Path, temporal_server: DevServer) -> None:
    async with (
        Runtime.open(registry, temporal=temporal_server.address, environ={}, http=True) as rt,
        aiohttp.ClientSession(rt.urls["app:web"]) as client,
        client.post("/jobs", json={"id": "j-1"}) as answer,
    ):
        assert (answer.status, await answer.json()) == (200, {"done": "j-1"})


@pytest.mark.parametrize("module", ["queue", "events"])
async def test_a_workflow_that_lists_one_is_refused_at_load(registry: Path, module: str) -> None:
    change(registry, "modules: [funcs]", f"modules: [funcs, {module}]")
    with pytest.raises(RegistryError, match=f"app:order: module '{module}' cannot be used in a workflow"):
        async with Runtime.open(registry, environ={}):
            pass


async def test_python_publishes_too(registry: Path, temporal_server: DevServer) -> None:
    async with Runtime.open(registry, temporal=temporal_server.address, environ={}) as rt:
        pid = await rt.spawn("app:order", "o-2", id=f"queued-{uuid.uuid4().hex}")
        await rt.publish("app:work", {"id": "p-1"}, {"reply_to": pid}, context={"tenant": "python"})
        assert await rt.result(pid, timeout=60) in (["p-1", 2, "python"], ["o-2", 2])
        for queue, body, headers, kind in (
            ("app:none", 1, {}, NOT_FOUND),
            ("app:work", b"bytes", {}, INVALID),
            ("app:work", object(), {}, INVALID),
            ("app:work", 1, {"h": object()}, INVALID),
            ("app:work", 1, {"h": "x" * 70_000}, INVALID),
        ):
            with pytest.raises(Error) as caught:
                await rt.publish(queue, body, headers)
            assert caught.value.kind == kind


async def test_without_workers_nothing_is_consumed(registry: Path, caplog: pytest.LogCaptureFixture) -> None:
    change(
        registry.parent / "post.lua", SOURCES["post.lua"], "return function() return queue.publish('app:work', 1) end"
    )
    async with Runtime.open(registry, environ={}, workers=False) as rt:
        assert await rt.call("app:post") is True
    assert "app:work: messages that were not handled before the host ended: 1" in caplog.text
