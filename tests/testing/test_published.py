"""What a run and its functions publish, as a test on the virtual host reads it."""

from __future__ import annotations

from pathlib import Path

from tests.testing.projects import written

ENTRIES = """\
  - {name: cooks, kind: workflow.lua, source: "file://kitchen.lua", method: cooks, modules: [workflow, funcs, time], meta: {temporal: {workflow: {worker: worker}}}}
  - {name: fries, kind: function.lua, source: "file://kitchen.lua", method: fries, modules: [stream, funcs, workflow, time], meta: {temporal: {activity: {worker: worker}}}}
"""
KITCHEN = """
local funcs = require("funcs")
return {
  cooks = function()
    local workflow, time = require("workflow"), require("time")
    workflow.publish("steps", "wash")
    assert(funcs.call("app:fries"))
    workflow.publish("steps", { serve = 1 })
    time.sleep("1h")
    workflow.publish("steps", "done")
    return true
  end,
  fries = function() return require("stream").publish("steps", "fry") end,
}
"""
TEST = """
test.it("x", function()
  local run = test.start({ entry = "app:cooks" })
  test.equal(run:published("steps"), { "wash", "fry", { serve = 1 } })
  test.equal(run:published("none"), {})
  test.equal(run:result(), true)
  test.equal(run:published("steps")[4], "done")
end)
test.it("y", function() test.start({ entry = "app:cooks" }):published() end)
"""


def test_what_is_published_is_read_by_a_test(tmp_path: Path) -> None:
    outcomes = written(tmp_path, TEST, ENTRIES, kitchen_lua=KITCHEN).outcomes()
    assert (outcomes["x"].message, outcomes["x"].ok) == ("", True)
    assert outcomes["y"].message.endswith("run:published wants the name of a stream")
