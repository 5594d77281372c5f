"""As many processes as a host takes: all answer, none is in another's way, and closing leaves none."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from runtime.errors import LIMIT_EXCEEDED, RATE_LIMITED, Error
from tests.process.support import PROCESSES, call, host, load, process, result, spawn
from tests.soak.load import PROCESSES as MANY
from tests.soak.load import WHOLE
from tests.soak.sample import MEASURABLE, sample
from tests.waiting import eventually

ECHO = """return function(to)
  local inbox = process.inbox()
  while true do process.send(to, inbox:receive():topic(), process.pid()) end
end"""
#: Ends when it has heard from as many different processes, once each.
COUNTS = """return function(many)
  local inbox, heard, n = process.inbox(), {}, 0
  while n < many do
    local from = inbox:receive():from()
    if heard[from] then return "twice " .. from end
    heard[from], n = true, n + 1
  end
  return n
end"""
#: Spins when told to, within a step; the budget of its entry ends it.
SPINS = "return function() process.inbox():receive() while true do end end"


def _told(what: str, begun: float) -> None:
    size = f"{sample().resident / 2**20:.0f} MiB" if MEASURABLE else ""
    print(f"{what}: {time.monotonic() - begun:.1f} s, {size}", flush=True)


@pytest.mark.timeout(600 if MANY < WHOLE else 3600)
async def test_many_idle_processes(tmp_path: Path) -> None:
    sources = {"echo.lua": ECHO, "spins.lua": SPINS, "counts.lua": COUNTS}
    entries = [
        {**PROCESSES, "max_processes": MANY + 1},
        process("echo"),
        process("spins", limits={"instructions": 50_000_000}),
    ]
    async with host(load(tmp_path, sources, entries)) as h:
        counting = asyncio.create_task(call(h, "counts", MANY))
        await eventually(lambda: h.running)
        [counter] = h.running
        begun = time.monotonic()
        _told("nothing", begun)
        pids = [spawn(h, "echo", counter) for _ in range(MANY)]
        spinning = spawn(h, "spins")
        with pytest.raises(Error) as full:
            spawn(h, "echo", counter)
        assert full.value.kind == RATE_LIMITED
        for pid in pids:
            await h.find(pid).settled.wait()  # type: ignore[union-attr]
        _told(f"spawned {MANY}", begun)

        h.send(spinning, "go", [])
        for pid in pids:
            h.send(pid, "ping", [])
        assert await counting == MANY
        _told("all have answered", begun)
        with pytest.raises(Error) as spent:
            await result(h, spinning)
        assert spent.value.kind == LIMIT_EXCEEDED
        assert h.running == pids

        await h.close(60)
        assert h.running == []
        _told("closed", begun)
