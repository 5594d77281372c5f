"""Hibernation on the real server: hundreds of runs wait, few have an interpreter, and nobody who speaks to them can tell which."""

from __future__ import annotations

import asyncio
import random

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from runtime import LuaPlugin
from runtime.lua.hibernation import HibernationCounts
from runtime.temporal.dev_server import DevServer
from tests.lua.holes import BORDERS
from tests.temporal.stage import Files, Stage, staged
from tests.temporal.workflow.test_load import open_sessions
from tests.waiting import eventually

RUNS, LIVE = 200, 10

#: What a run adds up comes from messages, an activity, a timer, a patch, chance and an update, with waits between them.
COUNTER = """return { main = function(start)
  local total, texts = start, {}
  workflow.query('total', function() return total end)
  workflow.update('add', function(by) total = total + by; return total end, function(by)
    if by < 0 then return nil, errors.new('Invalid', 'less than nothing') end
  end)
  for i = 1, 2 do
    total = total + process.inbox():receive():payload():data()
    if i == 1 then total = total + assert(funcs.call('t:double', workflow.version('change', 1, 2))) end
    if i == 2 then time.sleep('1ms') end
    texts[i] = tostring({}) .. ' ' .. math.random(1000000)
  end
  return { total = total, texts = texts }
end }"""


def counts(stage: Stage) -> HibernationCounts:
    return stage.workers.counts["t:worker"]


async def test_hundreds_of_runs_that_wait_and_few_interpreters(files: Files, temporal_server: DevServer) -> None:
    before = open_sessions()
    files.activity("double", "return { main = function(n) return 2 * n end }")
    files.workflow("main", COUNTER).worker(max_live_interpreters=LIVE, max_cached_workflows=RUNS * 2, shadow=False)
    async with staged(files, temporal_server.address) as stage:
        runs = [await stage.start("main", n) for n in range(RUNS)]
        await eventually(lambda: counts(stage).asleep == RUNS - LIVE)
        assert counts(stage).live == LIVE
        assert len(open_sessions() - before) == LIVE

        asked = random.sample(range(RUNS), 20)
        assert [await stage.query(runs[n], "total") for n in asked] == asked
        assert counts(stage).wakes > 0

        assert [await stage.update(runs[n], "add", 1) for n in asked] == [n + 1 for n in asked]
        ended = random.sample(range(RUNS), 60)
        for _ in range(2):
            for n in random.sample(ended, len(ended)):
                await stage.send(runs[n], "more", 1000)
        results = await asyncio.gather(*(stage.result(runs[n]) for n in ended))
        assert [result["total"] for result in results] == [n + 2004 + (n in asked) for n in ended]
        assert [result["texts"][1].split()[1] for result in results] == ["2"] * len(ended)

        await eventually(lambda: counts(stage).live <= LIVE)
        some = [runs[n] for n in ended[:10]]
        assert [item.failure for item in await stage.replay(*some)] == [None] * 10
        failed = [event for run in some for event in await stage.event_types(run) if event == "WORKFLOW_TASK_FAILED"]
        assert failed == []
    assert open_sessions() - before == set()  # and those that still wait have none either


async def test_a_worker_stops_while_runs_sleep_and_another_goes_on_with_them(
    files: Files, temporal_server: DevServer
) -> None:
    before = open_sessions()
    files.activity("double", "return { main = function(n) return 2 * n end }")
    files.workflow("main", COUNTER).worker(max_live_interpreters=0, shadow=True)
    async with staged(files, temporal_server.address) as stage:
        runs = [await stage.start("main", n) for n in range(10)]
        await eventually(lambda: counts(stage).asleep == len(runs))
        await asyncio.gather(*(stage.send(run, "more", 10) for run in runs))
        for run in runs:
            await stage.until(run, "ACTIVITY_TASK_COMPLETED")
    assert open_sessions() - before == set()
    async with staged(files, temporal_server.address) as stage:
        await asyncio.gather(*(stage.send(run, "more", 10) for run in runs))
        results = await asyncio.gather(*(stage.result(run) for run in runs))
        assert [result["total"] for result in results] == [n + 24 for n in range(10)]


@pytest.mark.usefixtures(
    "new_interpreters"
)  # where one is used again, the strings of a woken run have the hashes they had
async def test_a_run_that_comes_out_differently_fails_its_task_and_goes_on_from_its_history(
    files: Files, temporal_server: DevServer
) -> None:
    source = f"""return {{ main = function()
      {BORDERS}
      logger:info('borders ' .. table.concat(borders, ' '))
      return process.inbox():receive():payload():data()
    end }}"""
    files.workflow("main", source).worker(max_live_interpreters=0, shadow=False)
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await eventually(lambda: counts(stage).asleep == 1)
        await stage.send(run, "go", 7)
        await stage.until(run, "WORKFLOW_TASK_FAILED")
        history = await stage.history(run)
        [failure, *_] = [
            event["workflowTaskFailedEventAttributes"]["failure"]["message"]
            for event in history["events"]
            if "workflowTaskFailedEventAttributes" in event
        ]
        assert "t:main differs after hibernation" in failure
        assert counts(stage).differed == 1
        assert await stage.result(run) == 7  # its history asks for nothing that differs


async def test_runs_of_a_worker_with_the_plugin_sleep_too(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", "return function() return process.inbox():receive():payload():data() end").load()
    client = await Client.connect(temporal_server.address)
    plugin = LuaPlugin(files.directory / "registry.yaml", environ={}, max_live_interpreters=0)
    async with Worker(client, task_queue=files.queue, plugins=[plugin]):
        handle = await client.start_workflow("t:main", id=files.queue, task_queue=files.queue)
        await eventually(lambda: plugin.counts[files.queue].asleep == 1)
        await handle.signal("go", 7)
        assert await handle.result() == 7
        assert plugin.counts[files.queue].wakes == 1
