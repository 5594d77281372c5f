"""What one workflow task may take, whatever it brings: it fails in time, and leaves no thread behind."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from runtime.errors import Error
from runtime.lua import protocol
from runtime.lua.session import Session
from runtime.modules.catalogue import FUNCTIONS
from runtime.temporal.dev_server import DevServer
from runtime.temporal.worker import activations
from runtime.testing import program_from_source
from tests.temporal.stage import Files, Stage, staged

#: Some tenths of a second for each message, which is within the budget of an event.
SPINS = """
return function()
  local inbox, n = process.inbox(), 0
  while true do
    if inbox:receive():topic() == "stop" then return n end
    for i = 1, 4000000 do n = n + 1 end
  end
end
"""
#: No instruction budget ends it soon: each copies a large string.
COPIES = """
return function()
  local s = ("x"):rep(20000000)
  while true do local t = s .. "x" end
end
"""


async def _failure(stage: Stage, name: str, texts: Sequence[str], **fields: Any) -> str:
    """The message of a failed task that holds one of `texts`.

    Only a run's first failure is in its history. Where others keep the machine busy that may be one of the SDK's: then another
    run is started.
    """
    while True:
        run = await stage.start(name, **fields)
        await stage.until(run, "WORKFLOW_TASK_FAILED")
        history = await stage.history(run)
        await stage.runs.terminate(run.id)
        for event in history["events"]:
            message = str(event.get("workflowTaskFailedEventAttributes", {}).get("failure", {}).get("message", ""))
            if any(text in message for text in texts):
                return message


async def test_many_slow_events_in_one_task(
    files: Files, temporal_server: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activations, "MAX_SECONDS", 0.3)
    files.workflow("main", SPINS).workflow("canary", "return function() return 'well' end")
    async with staged(files, temporal_server.address) as stage:
        texts = ("took too long together", "time limit of a step spent")
        await _failure(stage, "main", texts, messages=[("work", n) for n in range(60)])
        assert await stage.run("canary") == "well"


async def test_one_event_ends_with_its_task(
    files: Files, temporal_server: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activations, "MAX_SECONDS", 0.3)
    files.workflow("main", COPIES, limits={"instructions": 2_000_000_000})
    async with staged(files, temporal_server.address) as stage:
        assert "main.lua:4" in await _failure(stage, "main", ["time limit of a step spent"])


async def test_the_time_that_an_activity_spent_is_its_own(files: Files, temporal_server: DevServer) -> None:
    """Its error reaches the run that called it, and fails that run when nobody catches it: its task is not tried for ever."""
    files.workflow(
        "forges",
        """
        return function() error(errors.new({ kind = errors.LIMIT_EXCEEDED, message = "x", details = { limit = "time" } })) end
    """,
    )
    files.activity(
        "spends",
        """
        return function() error(errors.new({ kind = errors.LIMIT_EXCEEDED, message = "x", details = { limit = "time" } })) end
    """,
        {"activity.retry_policy": {"maximum_attempts": 1}},
    )
    files.workflow("calls", "return function() return funcs.call('t:spends') end")
    async with staged(files, temporal_server.address) as stage:
        for name in ("forges", "calls"):
            with pytest.raises(Error) as caught:
                await stage.run(name)
            assert caught.value.details is not None
            assert caught.value.details["limit"] == "time"


def test_only_work_of_the_executor_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activations, "MAX_SECONDS", 1e-9)
    with activations.Activations() as timed, ThreadPoolExecutor(1) as others:
        with pytest.raises(activations.ActivationTooLong):
            timed.submit(activations.check).result()
        others.submit(activations.check).result()
        assert others.submit(activations.spent).result() == 0


def test_a_session_ends_when_the_time_it_shares_is_up() -> None:
    program = program_from_source(COPIES, instructions=2_000_000_000)
    boot = {"class": "function", "pid": "{h|1}", "seed": 1, "ctx": {}, "info": {}}
    session = Session(program, boot, spent=lambda: 1.0)
    batch = session.step([protocol.start([])], protocol.Clock(now=0))
    assert batch.error is not None
    assert (batch.error.details or {})["limit"] == "time"
    assert batch.spent == "time"
    session.close()


async def test_a_run_outlives_a_step_that_the_sdk_calls_deadlocked(
    files: Files, temporal_server: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its eviction waits until the thread is done with it; the next attempt begins anew."""
    monkeypatch.setattr(activations, "DEADLOCK", 1)
    calls = []

    def slow_once(*args: Any) -> Any:
        calls.append(args)
        if len(calls) == 1:
            time.sleep(3)
        return encode(*args)

    encode = FUNCTIONS["base64.encode"]
    monkeypatch.setitem(FUNCTIONS, "base64.encode", slow_once)
    body = "return function() time.sleep('1ms') return base64.encode('x') end"
    files.worker(shadow=False).workflow("main", body, modules=["base64", "time"])
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        assert await stage.result(run) == "eA=="
        assert "WORKFLOW_TASK_FAILED" in await stage.event_types(run)
