"""Runs that are sent, or ask for, far more than anybody means: each ends or goes on as it should, and so does whoever floods it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from runtime.errors import LIMIT_EXCEEDED, Error
from runtime.temporal import dev_server
from runtime.temporal.dev_server import DevServer
from tests.temporal.stage import Files, staged

#: Counts its messages, for some time each, until it is told to stop.
COUNTS = """return function()
  local inbox, n = process.inbox(), 0
  while true do
    if inbox:receive():topic() == "stop" then return n end
    for i = 1, 20000 do end
    n = n + 1
  end
end"""


async def test_a_message_too_many_is_refused_to_its_sender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a client, of a start that brings one, and of a run, whose replay is told the same; who is flooded goes on."""
    few = {**dev_server.DYNAMIC_CONFIG, "history.maximumSignalsPerExecution": "3"}
    monkeypatch.setattr(dev_server, "DYNAMIC_CONFIG", few)
    files = Files(tmp_path)
    files.workflow(
        "sends",
        """return function(id)
          local kinds = {}
          for i = 1, 3 do
            local ok, err = process.send("{t:worker|" .. id .. "}", "x")
            kinds[i] = ok and "sent" or err:kind() .. " " .. err:details().limit
          end
          return kinds
        end""",
    )
    files.workflow("waits", "return function() time.sleep('1h') end")
    async with DevServer(ui=False) as server, staged(files, server.address) as stage:
        run = await stage.start("waits")
        await stage.send(run, "x")
        await stage.send(run, "x")
        sender = await stage.start("sends", run.id)
        assert await stage.result(sender) == ["sent", *[f"{LIMIT_EXCEEDED} signals"] * 2]
        assert [item.failure for item in await stage.replay(sender)] == [None]
        with pytest.raises(Error) as of_a_client:
            await stage.send(run, "x")
        with pytest.raises(Error) as of_a_start:
            await stage.start("waits", id=run.id, messages=[("x", 1)], options={"id_conflict_policy": "use_existing"})
        for error in (of_a_client.value, of_a_start.value):
            assert (error.kind, (error.details or {})["limit"]) == (LIMIT_EXCEEDED, "signals")
            assert "process.upgrade" in error.message
        assert (await stage.runs.describe(run.id)).status == "RUNNING"


async def test_a_busy_run_takes_thousands_of_messages(files: Files, temporal_server: DevServer) -> None:
    """All of them, each once; another run is answered meanwhile."""
    files.workflow("main", COUNTS).workflow("canary", "return function() return 'well' end")
    async with staged(files.worker(shadow=False), temporal_server.address) as stage:
        run = await stage.start("main")
        turn = asyncio.Semaphore(50)

        async def send(_: int) -> None:
            async with turn:
                await stage.send(run, "work", "x" * 100)

        await asyncio.gather(*map(send, range(1000)), stage.run("canary"))
        await stage.send(run, "stop")
        assert await stage.result(run) == 1000
