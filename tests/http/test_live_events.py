"""What happens to a run, told while it happens, where Temporal's history tells it later or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from runtime.temporal.client import unserved
from runtime.temporal.dev_server import DevServer
from runtime.temporal.history import event_stream
from runtime.temporal.worker import live_attempt
from tests.http.site import Site
from tests.http.test_events import Heard, blocks, heard
from tests.http.test_streams import are_rising, named, serving, write

SCRIPTS = {
    "bakery.lua": """
    local workflow, funcs, process = require("workflow"), require("funcs"), require("process")
    return function(function_id)
        workflow.status("begins")
        process.listen("go"):receive()
        workflow.status({ baking = 1 })
        local bread = assert(funcs.call("web:" .. function_id))
        return bread
    end
    """,
    "oven.lua": """
    local activity, process = require("activity"), require("process")
    local F = {}
    -- Fails once; in its second attempt it says how far it is, and waits.
    function F.oven()
        local attempt = activity.info().attempt
        if attempt == 1 then return nil, errors.new({ kind = "Cold", message = "the oven is cold", retryable = true }) end
        while true do
            activity.heartbeat({ percent = 50 })
            if select(2, require("store").get("web:signs"):get("done")) == nil then return "bread" end
            require("time").sleep("20ms")
        end
    end
    return F
    """,
}
ENTRIES = """
  - {name: away, kind: temporal.worker, client: temporal, task_queue: nobody-QUEUE, lifecycle: {auto_start: false}}
  - {name: frozen, kind: function.lua, source: file://done.lua, modules: [store], meta: {temporal: {activity: {worker: away}}}}
  - {name: bakery, kind: workflow.lua, source: file://bakery.lua, modules: [workflow, funcs], meta: {temporal: {workflow: {worker: worker}}}}
  - {name: signs, kind: store.memory}
  - name: oven
    kind: function.lua
    source: file://oven.lua
    method: oven
    modules: [activity, store, time]
    meta: {temporal: {activity: {worker: worker}}, options: {"activity.heartbeat_timeout": 60s, "activity.retry_policy": {initial_interval: 10ms, maximum_attempts: 3}}}
  - {name: done, kind: function.lua, source: file://done.lua, modules: [store]}
"""


@pytest.fixture
async def web(tmp_path: Path, temporal_server: DevServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(live_attempt, "SOON", 0.0)
    monkeypatch.setattr(live_attempt, "EVERY", 0.0)
    monkeypatch.setattr(unserved, "PATIENCE", 0.0)
    monkeypatch.setattr(event_stream, "LOOK", 0.1)
    for name, text in SCRIPTS.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "done.lua").write_text('return function() return require("store").get("web:signs"):set("done", 1) end')
    async with serving(write(tmp_path, ENTRIES.replace("QUEUE", tmp_path.name)), temporal_server) as site:
        yield site


def live(events: list[Heard]) -> list[Heard]:
    return [event for event in events if event.data.get("live")]


async def test_what_happens_to_a_step_is_told_while_it_happens(web: Site) -> None:
    run = (await web.runtime.start("web:bakery", "oven")).id
    path = f"/api/v1/runs/{run}"
    async with web.session.get(f"{web.url}{path}/events") as response:
        events = blocks(response)
        await named(events, "started")
        await web.runtime.send(run, "go")
        while (status := await named(events, "status")).data["status"] != {"baking": 1}:
            assert status.data["status"] == "begins"  # it was said before or after somebody listened
        assert status.data["live"] is True
        retrying = await named(events, "step.retrying")
        step: dict[str, Any] = {"activity": "web:oven", "activity_id": "1", "live": True}
        assert {**step, "attempt": 1}.items() <= retrying.data.items()
        assert (retrying.data["error"]["kind"], retrying.data["error"]["message"]) == ("Cold", "the oven is cold")
        assert retrying.data["next_retry_at"] > retrying.data["at"]
        beat = await named(events, "step.heartbeat")
        assert {**step, "attempt": 2, "progress": {"percent": 50}}.items() <= beat.data.items()
        assert await web.runtime.call("web:done") is True
        await named(events, "completed")
    whole = await heard(web, path)
    assert are_rising(whole)
    assert [e.data["attempt"] for e in live(whole) if e.name in ("step.started", "step.retrying")] in (
        [1, 1, 2],
        [1, 2],
    )
    assert [e.id.rpartition(".")[2] == "0" for e in whole] == [not e.data.get("live") for e in whole]
    for number, event in enumerate(whole[:-1]):
        assert await heard(web, path, event.id) == whole[number + 1 :]
    async with web.session.get(f"{web.url}{path}/events?only=stream") as response:
        assert [block.name async for block in blocks(response) if block.name] == ["completed"]


async def test_a_step_that_nobody_takes_is_told_with_its_queue(web: Site, tmp_path: Path) -> None:
    run = (await web.runtime.start("web:bakery", "frozen")).id
    await web.runtime.send(run, "go")
    queue = f"nobody-{tmp_path.name}"
    async with web.session.get(f"{web.url}/api/v1/runs/{run}/events") as response:
        told = await named(blocks(response), "queue.unserved")
    about = {"activity": "web:frozen", "activity_id": "1", "attempt": 1, "queue": queue, "live": True}
    assert about.items() <= told.data.items()
    document = (await web.get(f"/api/v1/runs/{run}")).json
    assert document["pending"][0]["unserved"] == queue
    assert any(queue in line and "no worker polls" in line for line in document["warnings"])
    await web.runtime.terminate(run)
    assert [e.name for e in await heard(web, f"/api/v1/runs/{run}") if e.name == "queue.unserved"] == ["queue.unserved"]
