"""The world of a run under test: children beside their parent, chains of runs, and what functions reach."""

from __future__ import annotations

from pathlib import Path

from tests.testing.projects import Project, written

FLOW = "  - {{name: {name}, kind: workflow.lua, source: 'file://flows.lua', method: {name}, modules: [funcs, time, workflow], meta: {{temporal: {{workflow: {{worker: worker}}}}{more}}}}}\n"
ACT = "  - {{name: {name}, kind: function.lua, source: 'file://acts.lua', method: {name}, modules: [activity, time, sql, store, process], meta: {{temporal: {{activity: {{worker: worker}}}}{more}}}}}\n"
FLOWS = """
local funcs, time, workflow = require("funcs"), require("time"), require("workflow")
return {
  hive = function()
    local bee = process.with_name("bee-1"):spawn("app:bee", "app:worker")
    process.send(bee, "fly", 3)
    time.sleep("1m")
    process.send(bee, "fly", 4)
    return process.events():receive().result.value
  end,
  bee = function()
    local heard, total = process.listen("fly"), 0
    while total < 7 do total = total + (heard:receive()) end
    return { total, os.time() % 60 }
  end,
  swarm = function(options)
    process.with_options(options or {}):spawn("app:nests", "app:worker")
    time.sleep("1s")
    return "gone"
  end,
  nests = function()
    local event = process.events():receive()
    return funcs.call("app:closes", event.kind)
  end,
  relay = function(n)
    if n == 0 then return "home" end
    time.sleep("1h")
    return process.upgrade("app:relay", n - 1)
  end,
  stubborn = function()
    local future = funcs.async("app:lingers")
    time.sleep("5s")
    future:cancel()
    local value, err = future:await()
    return { value = value, err = err and err:kind() }
  end,
  impatient = function()
    local future = funcs.async("app:fails")
    time.sleep("10s")
    future:cancel()
    return (select(2, future:await())):kind()
  end,
  asks = function(id, ...) return funcs.call(id, ...) end,
  calls_child = function(...) return workflow.exec("app:asks", ...) end,
}
"""
ACTS = """
local activity, time, sql, store = require("activity"), require("time"), require("sql"), require("store")
return {
  closes = function(kind) print("closed by " .. kind) return kind end,
  fails = function() return nil, errors.new(errors.UNAVAILABLE, "no") end,
  lingers = function()
    while not activity.is_canceled() do activity.heartbeat() time.sleep("1s") end
    return "tidy"
  end,
  counts = function()
    local db = assert(sql.get("app:db"))
    assert(db:execute("create table t (n integer)"))
    assert(db:execute("insert into t values (40), (2)"))
    local rows = assert(db:query("select sum(n) as total from t"))
    return rows[1].total
  end,
  remembers = function() local s = assert(store.get("app:memo")) assert(s:set("k", { 1 })) return (s:get("k")) end,
}
"""
NAMES = {
    "hive": "",
    "bee": "",
    "swarm": "",
    "nests": "",
    "relay": "",
    "stubborn": "",
    "impatient": "",
    "asks": "",
    "calls_child": "",
}
ACTIVITIES = {
    "closes": "",
    "fails": "",
    "lingers": ", options: {activity.wait_for_cancellation: true}",
    "counts": "",
    "remembers": "",
}


def project(directory: Path, test: str) -> Project:
    entries = "  - {name: db, kind: db.sql.sqlite, file: ':memory:'}\n  - {name: memo, kind: store.memory}\n"
    entries += "".join(FLOW.format(name=name, more=more) for name, more in NAMES.items())
    entries += "".join(ACT.format(name=name, more=more) for name, more in ACTIVITIES.items())
    return written(directory, test, entries, flows_lua=FLOWS, acts_lua=ACTS)


def test_a_child_runs_beside_its_parent_and_takes_messages(tmp_path: Path) -> None:
    test = """
    test.it("x", function()
      local run = test.start({ entry = "app:hive" })
      test.equal(run.state, "running")
      test.equal(run:result()[1], 7)
    end)
    """
    project(tmp_path, test).passes()


def test_a_child_ends_with_its_parent_as_its_policy_says(tmp_path: Path) -> None:
    test = """
    test.it("terminated", function() test.equal(test.start({ entry = "app:swarm" }):result(), "gone") end)
    test.it("asked", function()
      test.equal(test.start({ entry = "app:swarm", args = { { ["workflow.parent_close_policy"] = "request_cancel" } } }):result(), "gone")
    end)
    """
    made = project(tmp_path, test)
    made.passes()
    assert made.lines == ["acts.lua:4: closed by pid.cancel"]


def test_a_chain_of_runs_is_followed(tmp_path: Path) -> None:
    test = """
    test.it("x", function()
      local run = test.start({ entry = "app:relay", args = { 3 } })
      run:advance("2h")
      test.equal(run.state, "running")
      test.equal(run:result(), "home")
    end)
    """
    project(tmp_path, test).passes()


def test_a_cancelled_call_is_waited_for_where_its_entry_says_so(tmp_path: Path) -> None:
    test = """
    test.it("waits", function()
      test.equal(test.start({ entry = "app:stubborn" }):result(), { value = "tidy" })
    end)
    test.it("between two attempts it ends at once", function()
      test.equal(test.start({ entry = "app:impatient" }):result(), errors.CANCELED)
    end)
    """
    project(tmp_path, test).passes()


def test_functions_reach_databases_and_stores(tmp_path: Path) -> None:
    test = """
    test.it("sql", function() test.equal(test.start({ entry = "app:asks", args = { "app:counts" } }):result(), 42) end)
    test.it("store", function() test.equal(test.start({ entry = "app:asks", args = { "app:remembers" } }):result(), { 1 }) end)
    """
    project(tmp_path, test).passes()


def test_what_a_test_answers_counts_in_children_too(tmp_path: Path) -> None:
    test = """
    test.it("a function", function()
      local run = test.start({ entry = "app:calls_child", args = { "app:closes", 1 }, functions = { ["app:closes"] = function(n) return n + 1 end } })
      test.equal(run:result(), 2)
    end)
    test.it("a child", function()
      local run = test.start({ entry = "app:calls_child", args = { 5 }, functions = { ["app:asks"] = function(n) return n * 2 end } })
      test.equal({ run:result(), #run.calls }, { 10, 1 })
    end)
    test.it("a child that fails", function()
      local function no() return nil, errors.new(errors.CONFLICT, "taken") end
      test.fails({ errors.CONFLICT, "taken" }, test.start({ entry = "app:calls_child", functions = { ["app:asks"] = no } }):result())
    end)
    """
    project(tmp_path, test).passes()
