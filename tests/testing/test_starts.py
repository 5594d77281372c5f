"""`test.start`, and the starts of other runs inside a test: what they take, what they refuse, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import Error
from runtime.registry import inputs
from tests.testing.projects import Project, written

SCHEMA = "input_schema: {type: object, required: [berth], properties: {berth: {type: integer, minimum: 1}}}"
ENTRIES = f"""\
  - {{name: hosts, kind: process.host}}
  - {{name: moor, kind: workflow.lua, source: "file://port.lua", method: moor, modules: [workflow], {SCHEMA}, meta: {{temporal: {{workflow: {{worker: worker}}}}}}}}
  - {{name: harbour, kind: workflow.lua, source: "file://port.lua", method: harbour, modules: [funcs, workflow], meta: {{temporal: {{workflow: {{worker: worker}}}}}}}}
  - {{name: waits, kind: workflow.lua, source: "file://port.lua", method: waits, modules: [workflow], meta: {{temporal: {{workflow: {{worker: worker}}}}}}}}
  - {{name: changes, kind: workflow.lua, source: "file://port.lua", method: changes, modules: [workflow, time, funcs], meta: {{temporal: {{workflow: {{worker: worker}}}}}}}}
  - {{name: clerk, kind: function.lua, source: "file://clerk.lua", method: starts, meta: {{temporal: {{activity: {{worker: worker}}}}}}}}
  - {{name: messenger, kind: function.lua, source: "file://clerk.lua", method: tells, meta: {{temporal: {{activity: {{worker: worker}}}}}}}}
  - {{name: plain, kind: function.lua, source: "file://clerk.lua", method: plain, modules: [time, ctx]}}
  - {{name: keeper, kind: process.lua, source: "file://clerk.lua", method: keeps, meta: {{default_host: hosts}}}}
  - {{name: only_plain, kind: security.policy, policy: {{actions: funcs.call, resources: "app:plain", effect: allow}}}}
"""
PORT = """
local funcs, workflow, time = require("funcs"), require("workflow"), nil
return {
  moor = function(ship) return ship.berth + 1 end,
  waits = function() return (process.listen("go"):receive()) end,
  harbour = function(how, ...)
    if how == "exec" then return workflow.exec("app:moor", ...) end
    if how == "call" then return funcs.call("app:clerk", ...) end
    if how == "tell" then
      local pid = process.with_name("quay-1"):spawn("app:waits", "app:worker")
      assert(funcs.call("app:messenger", pid, ...))
      return process.events():receive().result.value
    end
    local pid, err = process.spawn("app:moor", "app:worker", ...)
    if not pid then return nil, err end
    return process.events():receive().result.value
  end,
  changes = function()
    local total = 0
    workflow.update("add", function(n) time.sleep("1m") total = total + (funcs.call("app:tax", n)) return total end)
    process.listen("go"):receive()
    return total
  end,
}
"""
CLERK = """
return {
  starts = function(...)
    local pid, err = process.spawn("app:moor", "app:worker", ...)
    if err then return nil, err end
    return pid ~= nil
  end,
  tells = function(pid, what) return process.send(pid, "go", what) end,
  plain = function() require("time").sleep("1h") return require("ctx").get("shift") end,
  keeps = function(first)
    local kept = { first }
    while true do
      local message = process.inbox():receive()
      if message:topic() == "done" then return kept end
      kept[#kept + 1] = message:payload():data()
    end
  end,
}
"""


def project(directory: Path, test: str) -> Project:
    port = PORT.replace('require("workflow"), nil', 'require("workflow"), require("time")')
    entries = ENTRIES.replace("method: moor, modules: [workflow]", "method: moor, modules: [workflow, funcs, time]")
    entries = entries.replace("modules: [funcs, workflow]", "modules: [funcs, workflow, time]")
    entries = entries.replace("method: waits, modules: [workflow]", "method: waits, modules: [workflow, funcs, time]")
    return written(directory, test, entries, port_lua=port, clerk_lua=CLERK)


def refusal(directory: Path, value: object) -> str:
    """The text with which every door refuses this input of `moor`."""
    entry = project(directory, "").suite().registry.find_workflow("app:moor")
    assert entry is not None
    assert entry.input_schema is not None
    with pytest.raises(Error) as refused:
        inputs.check(entry.id, entry.input_schema, value)
    return refused.value.message


def test_an_input_schema_holds_for_a_run_that_a_test_starts(tmp_path: Path) -> None:
    text = refusal(tmp_path, {"berth": 0})
    test = f"""
    test.it("refused", function()
      local run = test.start({{ entry = "app:moor", args = {{ {{ berth = 0 }} }} }})
      test.equal(run.state, "failed")
      local err = test.fails({{ errors.INVALID, retryable = false }}, run:result())
      test.equal(err:message(), [==[{text}]==])
    end)
    test.it("nothing at all", function() test.fails(errors.INVALID, test.start({{ entry = "app:moor" }}):result()) end)
    test.it("taken", function() test.equal(test.start({{ entry = "app:moor", args = {{ {{ berth = 4 }} }} }}):result(), 5) end)
    """
    project(tmp_path, test).passes()


def test_runs_that_start_one_another_are_stopped_in_a_test(tmp_path: Path) -> None:
    project = written(
        tmp_path,
        """
        test.it("ends", function()
          test.equal(test.start({ entry = "app:bomb" }):result(), { deep = 50, kind = "LimitExceeded" })
        end)
        """,
        '  - {name: bomb, kind: workflow.lua, source: "file://bomb.lua", modules: [workflow], meta: {temporal: {workflow: {worker: worker}}}}\n',
        bomb_lua="""
            local workflow = require("workflow")
            return function()
              local found, err = workflow.exec("app:bomb")
              if err then return { deep = 0, kind = err:kind() } end
              found.deep = found.deep + 1
              return found
            end
        """,
    )
    project.passes()


@pytest.mark.parametrize("how", ["exec", "spawn", "call"])
def test_an_input_schema_holds_for_what_a_run_under_test_starts(tmp_path: Path, how: str) -> None:
    text = refusal(tmp_path, {"quay": 1})
    test = f"""
    local function harbour(...) return test.start({{ entry = "app:harbour", args = {{ "{how}", ... }} }}):result() end
    test.it("refused", function()
      local err = test.fails({{ errors.INVALID, retryable = false }}, harbour({{ quay = 1 }}))
      test.equal(err:message(), [==[{text}]==])
    end)
    test.it("taken", function() test.differ((harbour({{ berth = 1 }})), nil) end)
    """
    project(tmp_path, test).passes()


def test_a_function_reaches_the_runs_of_its_world(tmp_path: Path) -> None:
    test = """
    test.it("x", function() test.equal(test.start({ entry = "app:harbour", args = { "tell", "cast off" } }):result(), "cast off") end)
    """
    project(tmp_path, test).passes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("{ entry = 'app:moor', functons = {} }", "no option 'functons': did you mean \"functions\"?"),
        ("{ entry = 'app:moor', arg = { {} } }", "no option 'arg': did you mean \"args\"?"),
        ("{ entry = 'app:moor', colour = 1 }", "it has entry, args, functions, context, actor, scope"),
        ("{ entry = 'app:mor' }", 'entry not found: app:mor; did you mean "app:moor"?'),
        ("{ entry = 'app:worker' }", "app:worker is a temporal.worker"),
        ("{ entry = 'app:moor', args = { berth = 1 } }", "write args = { { berth = … } }"),
        ("{ entry = 'app:moor', args = 5 }", "args is a number, not a table"),
        ("{ entry = 'app:moor', functions = { ['app:clerk'] = 5 } }", 'functions["app:clerk"] is a number'),
        ("{ args = {} }", "{entry = id, …}"),
        ("{ entry = 'app:moor', actor = {} }", "an actor is an id"),
    ],
)
def test_what_test_start_does_not_know_it_refuses_at_the_line(tmp_path: Path, options: str, said: str) -> None:
    outcome = project(tmp_path, f'test.it("x", function()\ntest.start({options})\nend)').outcomes()["x"]
    assert not outcome.ok
    assert said in outcome.message
    assert outcome.message.startswith("all_test.lua:4: test.start")


def test_a_failed_run_is_shown_with_its_error(tmp_path: Path) -> None:
    test = """
    local function failed() return test.start({ entry = "app:moor", args = { { berth = 0 } } }) end
    local function raised() return test.start({ entry = "app:harbour", args = { "tell" }, functions = { ["app:messenger"] = function() return nil end } }) end
    test.it("result", function() test.equal(failed():result(), 5) end)
    test.it("state", function() test.equal(failed().state, "done") end)
    test.it("truthy", function() test.truthy((failed():result())) end)
    test.it("place", function() test.equal(raised():result(), 5) end)
    test.it("another nil", function() test.equal(nil, 5) end)
    """
    outcomes = project(tmp_path, test).outcomes()
    for name in ("result", "state", "truthy"):
        assert "app:moor failed: input of app:moor: at " in outcomes[name].message, name
        assert "[Invalid]" in outcomes[name].message
    assert "app:harbour failed: port.lua:11: " in outcomes["place"].message
    assert outcomes["another nil"].message == "all_test.lua:10: expected 5, got nil"


def test_functions_and_processes_are_started_as_well(tmp_path: Path) -> None:
    test = """
    test.it("a function", function()
      local run = test.start({ entry = "app:plain", context = { shift = "early" } })
      test.equal(run.state, "running")
      test.equal(run:advance("59m").state, "running")
      test.equal(run:result(), "early")
    end)
    test.it("an activity", function()
      local run = test.start({ entry = "app:messenger", args = { "{app:worker|nobody}", 1 } })
      test.fails(errors.NOT_FOUND, run:result())
    end)
    test.it("a process", function()
      local run = test.start({ entry = "app:keeper", args = { 1 } })
      run:send("more", 2)
      run:send("more", 3)
      test.equal(run.state, "running")
      test.equal(run:send("done").value, { 1, 2, 3 })
    end)
    test.it("they have no queries", function()
      test.fails({ errors.INVALID, "app:plain is no workflow" }, test.start({ entry = "app:plain" }):query("state"))
    end)
    """
    project(tmp_path, test).passes()


def test_a_scope_limits_what_a_run_under_test_may_call(tmp_path: Path) -> None:
    test = """
    test.it("denied", function()
      local run = test.start({ entry = "app:harbour", args = { "call", { berth = 1 } }, actor = "ann", scope = { "app:only_plain" } })
      test.fails(errors.PERMISSION_DENIED, run:result())
    end)
    """
    project(tmp_path, test).passes()


def test_an_update_may_take_time_and_have_its_calls_answered(tmp_path: Path) -> None:
    test = """
    test.it("x", function()
      local run = test.start({ entry = "app:changes", functions = { ["app:tax"] = function(n) return n * 2 end } })
      test.equal(run:update("add", 5), 10)
      test.equal(run:update("add", 1), 12)
      test.equal(run:send("go").value, 12)
      test.equal(#run.calls, 2)
    end)
    """
    project(tmp_path, test).passes()


def test_what_is_meant_for_a_run_that_has_ended_is_refused(tmp_path: Path) -> None:
    test = """
    test.it("x", function()
      local run = test.start({ entry = "app:waits" })
      test.equal(run:send("go", 5).value, 5)
      test.fails({ errors.NOT_FOUND, "it has ended: its state is done" }, run:send("go", 6))
      test.fails({ errors.NOT_FOUND, "it has ended" }, run:cancel("late"))
      local function_run = test.start({ entry = "app:plain" })
      function_run:result()
      test.fails({ errors.NOT_FOUND, "it has ended" }, function_run:cancel())
    end)
    """
    project(tmp_path, test).passes()


def test_an_answer_for_an_id_that_is_mistyped_is_told(tmp_path: Path) -> None:
    test = """
    test.it("x", function()
      test.start({ entry = "app:harbour", args = { "call", { berth = 1 } }, functions = { ["app:clark"] = function() return true end, ["app:invoice_archive_of_old"] = print } }):result()
    end)
    """
    made = project(tmp_path, test)
    made.outcomes()
    assert made.lines == [
        'test.start: functions["app:clark"] answers for an id that no entry has: did you mean "app:clerk"?'
    ]
