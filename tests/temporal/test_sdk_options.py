"""Options that say how Temporal is to do a thing, seen where it does it."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.temporal.dev_server import DevServer
from runtime.temporal.workflow.instance import LuaInstance
from tests.temporal.stage import Files, staged


async def test_eager_execution_of_one_activity_is_switched_off(
    files: Files, temporal_server: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.activity("plain", "return { main = function() return 1 end }")
    files.activity("lazy", "return { main = function() return 2 end }", {"activity.disable_eager_execution": True})
    files.workflow(
        "main",
        """return { main = function()
             local lazy = funcs.new():with_options{ ['activity.disable_eager_execution'] = true }
             return funcs.call('t:plain') + funcs.call('t:lazy') + lazy:call('t:plain')
           end }""",
    )
    scheduled: list[bool] = []
    activate = LuaInstance.activate

    def watched(self: LuaInstance, act: Any) -> Any:
        completion = activate(self, act)
        commands = completion.successful.commands
        scheduled.extend(
            item.schedule_activity.do_not_eagerly_execute for item in commands if item.HasField("schedule_activity")
        )
        return completion

    monkeypatch.setattr(LuaInstance, "activate", watched)
    async with staged(files, temporal_server.address) as stage:
        assert await stage.run("main") == 4
    assert scheduled == [False, True, True]


async def test_a_run_starts_eagerly_on_this_very_host(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", "return { main = function() return 1 end }")
    async with staged(files, temporal_server.address) as stage:
        while not stage.workers.polling:
            await stage.clients.get()
        run = await stage.start("main", options={"enable_eager_start": True})
        assert await stage.result(run) == 1
        started = (await stage.history(run))["events"][0]["workflowExecutionStartedEventAttributes"]
        assert started.get("eagerExecutionAccepted") is True


async def test_a_child_stays_in_the_namespace_of_its_parent(files: Files, temporal_server: DevServer) -> None:
    files.workflow("child", "return { main = function() return 'here' end }")
    files.workflow(
        "main",
        """return { main = function(namespace)
             local spawner = process.with_options{ ['workflow.namespace'] = namespace }
             local value, err = spawner:exec('t:child', 't:worker')
             return value or { err:kind(), err:message() }
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        assert await stage.run("main", "default") == "here"
        kind, message = await stage.run("main", "elsewhere")
        assert kind == "Invalid"
        assert "workflow.namespace" in message


async def test_a_cancelled_call_waits_as_the_entry_of_the_activity_says(
    files: Files, temporal_server: DevServer
) -> None:
    slow = """return { main = function()
      assert(process.send(activity.info().workflow_pid, 'started'))
      while not activity.is_canceled() do activity.heartbeat(1); time.sleep('50ms') end
      return 'cleaned up'
    end }"""
    options = {"activity.wait_for_cancellation": True, "activity.heartbeat_timeout": "10s"}
    files.activity("waited", slow, options)
    files.workflow(
        "main",
        """return { main = function(said)
             local executor = funcs.new()
             if said ~= nil then executor = executor:with_options{ ['activity.wait_for_cancellation'] = said } end
             local future = executor:async('t:waited')
             process.listen('started'):receive()
             future:cancel()
             local at_once = future:is_complete()
             local value, err = future:await()
             return { at_once, value or err:kind() }
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        runs = [await stage.start("main", *said) for said in ([], [True], [False])]
        answers = [await stage.result(run) for run in runs]
        assert answers == [[False, "cleaned up"], [False, "cleaned up"], [True, "Canceled"]]
        assert [result.failure for result in await stage.replay(*runs)] == [None] * 3
