"""How many children, activities and timers a run under test may have under way: as many as on a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.testing.projects import written

MAIN = """
local workflow, funcs, time = require("workflow"), require("funcs"), require("time")
local function begun(call)
  local err
  coroutine.spawn(function() err = select(2, call()) end)
  time.sleep("1ms")
  return not err, err
end
local ATTEMPTS = {
  children = function() return process.spawn("app:waits", "app:worker") end,
  activities = function() return begun(function() return funcs.call("app:slow") end) end,
  timers = function() return begun(function() return time.sleep("1h") end) end,
}
return function(what)
  for n = 0, 9 do
    local ok, err = ATTEMPTS[what]()
    if err then return { n = n, kind = err:kind(), limit = err:details().limit, said = err:message() } end
  end
  return { n = 10 }
end
"""
ENTRIES = """\
  - {name: waits, kind: workflow.lua, source: "file://waits.lua", modules: [time], meta: {temporal: {workflow: {worker: worker}}}}
  - {name: slow, kind: function.lua, source: "file://waits.lua", modules: [time], meta: {temporal: {activity: {worker: worker}}}}
  - {name: main, kind: workflow.lua, source: "file://main.lua", modules: [workflow, funcs, time], LIMITSmeta: {temporal: {workflow: {worker: worker}}}}
"""


@pytest.mark.parametrize(("what", "most", "free"), [("children", 3, 3), ("activities", 3, 3), ("timers", 4, 3)])
def test_no_more_are_under_way_in_a_test_than_the_entry_allows(tmp_path: Path, what: str, most: int, free: int) -> None:
    test = f"""
    test.it("refused", function()
      local told = test.start({{ entry = "app:main", args = {{ "{what}" }} }}):result()
      test.equal({{ told.n, told.kind, told.limit }}, {{ {free}, "LimitExceeded", "{what}" }})
      test.equal(told.said:match("limits%.(%a+) of app:main allows"), "{what}")
    end)
    """
    files = {"main_lua": MAIN, "waits_lua": 'local time = require("time") return function() time.sleep("1h") end'}
    written(tmp_path, test, ENTRIES.replace("LIMITS", f"limits: {{{what}: {most}}}, "), **files).passes()


@pytest.mark.parametrize("what", ["children", "activities", "timers"])
def test_what_is_over_makes_room_in_a_test(tmp_path: Path, what: str) -> None:
    main = """
    local workflow, funcs, time = require("workflow"), require("funcs"), require("time")
    local CALLS = {
      children = function() return workflow.exec("app:waits") end,
      activities = function() return funcs.call("app:slow") end,
      timers = function() return time.sleep("1ms") end,
    }
    return function(what)
      for n = 1, 5 do
        local _, err = CALLS[what]()
        if err then return nil, err end
      end
      return "done"
    end
    """
    test = f"""
    test.it("goes on", function()
      test.equal(test.start({{ entry = "app:main", args = {{ "{what}" }} }}):result(), "done")
    end)
    """
    files = {"main_lua": main, "waits_lua": "return function() return 1 end"}
    written(tmp_path, test, ENTRIES.replace("LIMITS", f"limits: {{{what}: 1}}, "), **files).passes()
