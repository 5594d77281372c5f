"""How many children, activities and timers a run may have under way, as its entry says."""

from __future__ import annotations

import pytest

from runtime.errors import LIMIT_EXCEEDED
from runtime.temporal.dev_server import DevServer
from tests.temporal.stage import Files, staged

#: What is begun over and over until it is refused.
ATTEMPTS = {
    "children": 'process.spawn("t:waits", "t:worker")',
    "activities": "begin()",
    "timers": "timer()",
}
SCRIPT = """
local funcs = require("funcs")
local nowhere = funcs.new():with_options({ ["activity.task_queue"] = "nobody-" .. workflow.info().workflow_id })
local function begin()
  local err
  coroutine.spawn(function() err = select(2, nowhere:call("t:act", 1)) end)
  time.sleep("1ms")
  return not err, err
end
local function timer()
  local _, err
  coroutine.spawn(function() _, err = time.sleep("1h") end)
  time.sleep("1ms")
  return not err, err
end
return function()
  for n = 0, 9 do
    local began, err = ATTEMPT
    if err then return { n = n, kind = err:kind(), limit = err:details().limit, said = err:message(), at = err:stack() } end
  end
end
"""


@pytest.mark.parametrize(("what", "most"), [("children", 3), ("activities", 3), ("timers", 4)])
async def test_no_more_are_under_way_than_the_entry_allows(
    files: Files, temporal_server: DevServer, what: str, most: int
) -> None:
    files.workflow("waits", "return function() process.listen('go'):receive() end")
    files.activity("act", "return function() end")
    files.workflow("main", SCRIPT.replace("ATTEMPT", ATTEMPTS[what]), limits={what: most}).worker(
        max_cached_workflows=0
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        told = await stage.result(run)
        assert (told["n"], told["kind"], told["limit"]) == (3, LIMIT_EXCEEDED, what)
        assert f"limits.{what} of t:main allows" in told["said"]
        assert "main.lua:" in told["at"]
        files.workflow("main", SCRIPT.replace("ATTEMPT", ATTEMPTS[what]))
        [replayed] = await stage.replay(run, registry=files.load())
        assert replayed.failure is None


async def test_a_timer_that_is_over_makes_room(files: Files, temporal_server: DevServer) -> None:
    script = """
    return function()
      local got = channel.new(1)
      for _ = 1, 5 do
        assert(time.sleep("1ms"))
        coroutine.spawn(function() time.sleep("1ms") got:send("sent") end)
        assert(got:receive("1h") == "sent")
      end
      return "done"
    end
    """
    files.workflow("main", script, limits={"timers": 2}).worker()
    async with staged(files, temporal_server.address) as stage:
        assert await stage.run("main") == "done"
