"""Many runs at once, thrown out of memory and replayed all the time."""

from __future__ import annotations

import asyncio
import gc

from runtime.lua.session import Session
from runtime.temporal.dev_server import DevServer
from tests.temporal.stage import Files, staged

BUSY = """return { main = function(n)
  local inbox, futures, total = process.inbox(), {}, 0
  for i = 1, 5 do futures[i] = assert(funcs.async('t:add', n, i)) end
  local ticks = channel.new(5)
  coroutine.spawn(function() for i = 1, 3 do time.sleep('5ms'); ticks:send(math.random(10)) end; ticks:close() end)
  for i = 1, 2 do total = total + inbox:receive():payload():data() end
  for _, future in ipairs(futures) do total = total + assert(future:await()) end
  local count = 0
  while true do
    local result = channel.select{ ticks:case_receive() }
    if not result.ok then break end
    count = count + 1
  end
  return { total = total, ticks = count }
end }"""


def open_sessions() -> set[int]:
    """The identities of the sessions of this process that hold an interpreter; other tests may have some."""
    gc.collect()
    return {id(item) for item in gc.get_objects() if isinstance(item, Session) and item._interpreter is not None}


async def test_runs_are_evicted_and_replayed_without_anybody_noticing(files: Files, temporal_server: DevServer) -> None:
    before = open_sessions()
    files.activity("add", "return { main = function(a, b) return a + b end }")
    files.workflow("main", BUSY).worker(max_cached_workflows=3)
    async with staged(files, temporal_server.address) as stage:
        runs = [await stage.start("main", n, messages=[("a", 100)]) for n in range(20)]
        await asyncio.gather(*(stage.send(run, "b", 1000) for run in runs))
        results = await asyncio.gather(*(stage.result(run) for run in runs))
        assert results == [{"total": 1115 + 5 * n, "ticks": 3} for n in range(20)]
        assert [item.failure for item in await stage.replay(*runs)] == [None] * 20
    assert open_sessions() - before == set()
