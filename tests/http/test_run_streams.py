"""What a run itself publishes to those who follow it: `workflow.publish`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from runtime.temporal.dev_server import DevServer
from tests.http.site import Site
from tests.http.test_events import blocks, heard
from tests.http.test_streams import AWAY, are_rising, named, serving, told, write

RUNS = """
local workflow, process, funcs = require("workflow"), require("process"), require("funcs")
local R = {}

-- Three events in its first step, one with each message, one with its last step; then another round.
function R.talks(round, rounds)
    for n = 1, 3 do assert(workflow.publish("news", round .. "." .. n)) end
    local go = process.listen("go")
    for n = 4, 5 do
        local from = go:receive()
        assert(workflow.publish("news", round .. "." .. n))
    end
    workflow.publish("other", { round = round, null = nil })
    if round < rounds then process.upgrade(nil, round + 1, rounds) end
    return round
end

function R.wrong()
    local found = {}
    for _, arguments in ipairs({ { "", 1 }, { ("x"):rep(129), 1 }, { "t", ("x"):rep(70000) }, { "t", print } }) do
        local _, err = workflow.publish(table.unpack(arguments))
        found[#found + 1] = err:kind() .. ": " .. err:message()
    end
    workflow.query("asks", function() workflow.publish("t", 1) end)
    process.listen("end"):receive()
    return found
end
return R
"""
ENTRIES = """
  - {name: talks, kind: workflow.lua, source: file://runs.lua, method: talks, modules: [workflow, funcs], meta: {temporal: {workflow: {worker: worker}}}}
  - {name: unruly, kind: workflow.lua, source: file://runs.lua, method: wrong, modules: [workflow, funcs], meta: {temporal: {workflow: {worker: worker}}}}
"""


def written(directory: Path, store: str = "") -> Path:
    (directory / "runs.lua").write_text(RUNS)
    return write(directory, ENTRIES + store)


@pytest.fixture(params=["kept", "replayed"])
async def web(request: pytest.FixtureRequest, tmp_path: Path, temporal_server: DevServer) -> AsyncIterator[Site]:
    """A worker that keeps its runs, and one that replays them for each task."""
    registry = written(tmp_path)
    if request.param == "replayed":
        text = registry.read_text()
        registry.write_text(
            text.replace("kind: temporal.worker,", "kind: temporal.worker, worker_options: {max_cached_workflows: 0},")
        )
    async with serving(registry, temporal_server) as site:
        yield site


def markers(history: dict[str, Any]) -> int:
    return sum(event["eventType"] == "EVENT_TYPE_MARKER_RECORDED" for event in history["events"])


async def test_what_a_run_publishes_is_heard_once_in_order_and_also_across_continue_as_new(web: Site) -> None:
    run = (await web.runtime.start("web:talks", 1, 2)).id
    path = f"/api/v1/runs/{run}"
    async with web.session.get(f"{web.url}{path}/events") as response:
        events = blocks(response)
        live = [await named(events, "stream") for _ in range(3)]
        await web.runtime.send(run, "go")
        live.append(await named(events, "stream"))
    for _ in range(3):
        await web.runtime.send(run, "go")
    assert await web.runtime.result(run) == 2
    whole = await heard(web, path)
    said = [{"round": n} for n in (1, 2)]
    first, second = ([f"{n}.{m}" for m in range(1, 6)] for n in (1, 2))
    assert told(whole) == [*first, said[0], *second, said[1]]
    assert are_rising(whole)
    assert [event for event in whole if event.name == "stream"][:4] == live
    assert live[3].data["by"] == "web:talks"
    assert [event.name for event in whole if event.name.startswith("step")] == []
    assert whole[-1].name == "completed"
    for number, event in enumerate(whole[:-1]):
        assert await heard(web, path, event.id) == whole[number + 1 :]


async def test_the_history_has_one_marker_for_each_step_that_publishes(web: Site) -> None:
    run = (await web.runtime.start("web:talks", 1, 1)).id
    for _ in range(2):
        await web.runtime.query(run, "__lua_stack")  # so that each message has a step of its own
        await web.runtime.send(run, "go")
    await web.runtime.result(run)
    history = await web.runtime.history(run)
    assert markers(history) == 3
    assert "1.4" not in str(history)


async def test_a_run_that_is_reset_says_from_where_on_it_publishes_anew(web: Site) -> None:
    run = (await web.runtime.start("web:talks", 1, 1)).id
    path = f"/api/v1/runs/{run}"
    async with web.session.get(f"{web.url}{path}/events") as response:
        events = blocks(response)
        for _ in range(3):
            await named(events, "stream")
        for _ in range(2):
            await web.runtime.send(run, "go")
    await web.runtime.result(run)
    history = await web.runtime.history(run)
    tasks = [e["eventId"] for e in history["events"] if e["eventType"] == "EVENT_TYPE_WORKFLOW_TASK_COMPLETED"]
    client = await web.runtime._clients.get("web:temporal")
    request = ResetWorkflowExecutionRequest(
        namespace="default",
        workflow_execution=WorkflowExecution(workflow_id=run),
        reason="test",
        request_id="1",
        workflow_task_finish_event_id=int(tasks[1]),
    )
    await client.workflow_service.reset_workflow_execution(request)
    for _ in range(2):
        await web.runtime.send(run, "go")
    await web.runtime.result(run)
    streams = [event for event in await heard(web, path) if event.name.startswith("stream")]
    assert [(event.name, event.data["name"], event.data["position"]) for event in streams[6:]] == [
        ("stream.restarted", "news", 4),
        ("stream", "news", 4),
        ("stream", "news", 5),
        ("stream.restarted", "other", 1),
        ("stream", "other", 1),
    ]
    assert told(streams[:6]) == [*(f"1.{n}" for n in range(1, 6)), {"round": 1}]


async def test_what_cannot_be_published_is_refused(web: Site) -> None:
    run = (await web.runtime.start("web:unruly")).id
    with pytest.raises(Exception, match=r"cannot use 'workflow\.publish'"):
        await web.runtime.query(run, "asks")
    await web.runtime.send(run, "end")
    found = await web.runtime.result(run)
    assert [text.partition(":")[0] for text in found] == ["Invalid"] * 4
    assert [text.partition(": ")[2][:30] for text in found] == [
        "the name of a stream is 1 to 1",
        "the name of a stream is 1 to 1",
        "what is published has at most ",
        "publish: value is a function, ",
    ]


async def test_a_run_goes_on_when_the_store_is_away(tmp_path: Path, temporal_server: DevServer) -> None:
    async with serving(written(tmp_path, AWAY), temporal_server) as web:
        run = (await web.runtime.start("web:talks", 1, 1)).id
        for _ in range(2):
            await web.runtime.send(run, "go")
        assert await web.runtime.result(run) == 1
    assert web.runtime._streams.queue.counts.lost == 6
