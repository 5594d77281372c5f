"""Functions that a run under test calls: activities as on Temporal, on the virtual clock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.testing.projects import Project, written

CALLER = """
local funcs, time, activity = require("funcs"), require("time"), nil
return {
  calls = function(id, ...) return funcs.call(id, ...) end,
  timed = function(id, options, ...)
    local before = time.now()
    local value, err = funcs.new():with_options(options):call(id, ...)
    return { value = value, err = err and err:kind(), message = err and err:message(), details = err and err:details(),
      took = time.now():sub(before):milliseconds() }
  end,
  gives_up = function(id, after)
    local future = funcs.async(id)
    time.sleep(after)
    future:cancel()
    time.sleep("1m")
    return (select(2, future:await())):kind()
  end,
}
"""
FLOWS = """\
  - {name: calls, kind: workflow.lua, source: "file://caller.lua", method: calls, modules: [funcs, time], meta: {temporal: {workflow: {worker: worker}}}}
  - {name: timed, kind: workflow.lua, source: "file://caller.lua", method: timed, modules: [funcs, time], meta: {temporal: {workflow: {worker: worker}}}}
  - {name: gives_up, kind: workflow.lua, source: "file://caller.lua", method: gives_up, modules: [funcs, time], meta: {temporal: {workflow: {worker: worker}}}}
"""


def lua(name: str, options: str = "", more: str = "") -> str:
    said = f", options: {{{options}}}" if options else ""
    return (
        f"  - {{name: {name}, kind: function.lua, source: 'file://acts.lua', method: {name}, modules: [activity, time, outcome, funcs], "
        f"{more}meta: {{temporal: {{activity: {{worker: worker}}}}{said}}}}}\n"
    )


def python(name: str, options: str = "", module: str = "acts") -> str:
    said = f", options: {{{options}}}" if options else ""
    return f"  - {{name: {name}, kind: function.py, source: 'py://{module}:{name}', meta: {{temporal: {{activity: {{worker: worker}}}}{said}}}}}\n"


def project(directory: Path, test: str, entries: str, **files: str) -> Project:
    return written(directory, test, FLOWS + entries, caller_lua=CALLER, **files)


PYTHON = """
import asyncio, dataclasses, datetime, threading
from pydantic import BaseModel
from runtime import Error
from runtime.process import current

class Parcel(BaseModel):
    weight: float
    due: datetime.date

@dataclasses.dataclass
class Label:
    text: str
    copies: int = 1

async def weigh(parcel: Parcel) -> dict[str, object]:
    await asyncio.sleep(300)
    return {"grams": parcel.weight * 1000, "year": parcel.due.year}

def prints(label: Label) -> Label:
    assert threading.current_thread() is not threading.main_thread()
    return Label(label.text.upper(), label.copies + 1)

def breaks() -> None:
    raise KeyError("no such shelf")

def refuses() -> None:
    raise Error("TooHeavy", "30 kg at most", retryable=False, details={"limit": 30})

def knows() -> list[object]:
    here = current()
    return [here.activity.info["attempt"], here.idempotency_key, here.context.get("shift"), here.sender]
"""


def test_python_functions_get_what_their_annotations_say(tmp_path: Path) -> None:
    test = """
    local function result(...) return test.start({ entry = "app:calls", args = { ... }, context = { shift = "night" } }):result() end
    test.it("async, a model", function()
      test.equal(result("app:weigh", { weight = 2.5, due = "2031-02-03" }), { grams = 2500.0, year = 2031 })
    end)
    test.it("sync on a thread, a dataclass", function()
      test.equal(result("app:prints", { text = "fragile" }), { text = "FRAGILE", copies = 2 })
    end)
    test.it("what does not fit", function()
      test.fails({ errors.INVALID, "parcel.due", retryable = false }, result("app:weigh", { weight = 1 }))
    end)
    test.it("an exception", function() test.fails({ errors.INTERNAL, "no such shelf" }, result("app:breaks")) end)
    test.it("an error of its own", function()
      local err = test.fails({ "TooHeavy", "30 kg at most", retryable = false }, result("app:refuses"))
      test.equal(err:details().limit, 30)
    end)
    test.it("where it runs", function()
      test.equal(result("app:knows"), { 1, "virtual/virtual/1", "night", "{app:worker|virtual}" })
    end)
    """
    once = "activity.retry_policy: {maximum_attempts: 1}"
    entries = "".join(python(name, once) for name in ("weigh", "prints", "breaks", "refuses", "knows"))
    project(tmp_path, test, entries, acts_py=PYTHON).passes()


LUA = """
local activity, time, outcome, funcs = require("activity"), require("time"), require("outcome"), require("funcs")
local function attempt() return activity.info().attempt end
return {
  third = function() if attempt() < 3 then return nil, errors.new(errors.UNAVAILABLE, "busy " .. attempt()) end return attempt() end,
  never = function() return nil, errors.new(errors.UNAVAILABLE, "attempt " .. attempt()) end,
  said = function() if attempt() == 1 then return outcome.retry("later", "90s") end return "done" end,
  final = function() return outcome.fail("Closed", "for good") end,
  sleeps = function(d) time.sleep(d) return attempt() end,
  resumes = function()
    local from = activity.info().heartbeat_details or 0
    activity.heartbeat(from + 10)
    if attempt() < 3 then return nil, errors.new(errors.UNAVAILABLE, "cut off") end
    return from
  end,
  silent = function() activity.heartbeat("once") time.sleep("5m") end,
  alive = function() for i = 1, 10 do activity.heartbeat(i) time.sleep("8s") end return "alive" end,
  info = function() local i = activity.info() return { i.attempt, i.activity_type, i.workflow_type, i.task_queue, i.is_local, i.deadline } end,
  key = function() if attempt() < 2 then return nil, errors.new(errors.UNAVAILABLE, "again") end return activity.idempotency_key() end,
  obeys = function()
    while not activity.is_canceled() do activity.heartbeat() time.sleep("1s") end
    print("told to end")
  end,
}
"""


def test_a_python_exception_has_its_place_in_the_authors_file(tmp_path: Path) -> None:
    test = """
    test.it("raised", function() test.equal(test.start({ entry = "app:calls", args = { "app:breaks" } }):result(), 1) end)
    test.it("imported", function() test.equal(test.start({ entry = "app:calls", args = { "app:gone" } }):result(), 1) end)
    """
    once = "activity.retry_policy: {maximum_attempts: 1}"
    entries = python("breaks", once) + python("gone", module="lost")
    files = {"acts_py": PYTHON, "lost_py": "import math\nimport no_such_library\ndef gone():\n    pass\n"}
    outcomes = project(tmp_path, test, entries, **files).outcomes()
    assert (
        "app:breaks failed: KeyError: 'no such shelf' (acts.py:25, in breaks) [Internal]" in outcomes["raised"].message
    )
    assert "No module named 'no_such_library' (lost.py:2)" in outcomes["imported"].message


def test_a_result_that_a_server_refuses_is_refused_in_a_test(tmp_path: Path) -> None:
    test = """
    local function refused(entry, ...)
      local run = test.start({ entry = entry, args = { ... } })
      local _, err = run:result()
      test.equal(err:kind(), "Invalid")
      test.contains(err:message(), "the result of app:large: 3000002 bytes are more than Temporal takes at once")
    end
    test.it("by itself", function() refused("app:large") end)
    test.it("of a workflow", function() refused("app:calls", "app:large") end)
    """
    files = {"acts_lua": 'return { large = function() return ("x"):rep(3000000) end }'}
    project(tmp_path, test, lua("large"), **files).passes()


def test_retries_take_their_time_on_the_virtual_clock(tmp_path: Path) -> None:
    test = """
    local function timed(id, options) return test.truthy(test.start({ entry = "app:timed", args = { id, options or { other = 1 } } }):result()) end
    test.it("as the entry says", function()
      local got = timed("app:third")
      test.equal({ got.value, got.took }, { 3, 100 + 300 })
    end)
    test.it("as the call says", function()
      local got = timed("app:third", { ["activity.retry_policy"] = { initial_interval = "1m", backoff_coefficient = 1, maximum_attempts = 2 } })
      test.equal({ got.err, got.message, got.took, got.details._retry_state }, { "Unavailable", "busy 2", 60000, "MAXIMUM_ATTEMPTS_REACHED" })
    end)
    test.it("no longer than the longest pause", function()
      local got = timed("app:never", { ["activity.retry_policy"] = { initial_interval = "1s", maximum_interval = "2s", maximum_attempts = 5 } })
      test.equal(got.took, 1000 + 2000 * 3)
    end)
    test.it("within schedule_to_close", function()
      local got = timed("app:never", { ["activity.schedule_to_close_timeout"] = "10s" })
      test.equal({ got.message, got.took, got.details._retry_state }, { "attempt 4", 7000, "TIMEOUT" })
    end)
    test.it("when outcome.retry says", function() test.equal(timed("app:said").took, 90000) end)
    test.it("not after outcome.fail", function()
      local got = timed("app:final")
      test.equal({ got.err, got.took, got.details._retry_state }, { "Closed", 0, "NON_RETRYABLE_FAILURE" })
    end)
    test.it("not for kinds that the policy names", function()
      local got = timed("app:never", { ["activity.retry_policy"] = { non_retryable_error_types = "Unavailable" } })
      test.equal(got.message, "attempt 1")
    end)
    """
    policy = "activity.retry_policy: {initial_interval: 100ms, backoff_coefficient: 3, maximum_attempts: 3}"
    entries = lua("third", policy) + lua("never") + lua("said") + lua("final")
    project(tmp_path, test, entries, acts_lua=LUA).passes()


def test_timeouts_and_heartbeats(tmp_path: Path) -> None:
    test = """
    local once = { maximum_attempts = 1 }
    local function timed(id, options, ...)
      options["activity.retry_policy"] = options["activity.retry_policy"] or once
      return test.truthy(test.start({ entry = "app:timed", args = { id, options, ... } }):result())
    end
    test.it("start_to_close", function()
      local got = timed("app:sleeps", { timeout = "30s" }, "1h")
      test.equal({ got.err, got.took, got.details.timeout_type }, { "Timeout", 30000, "StartToClose" })
    end)
    test.it("schedule_to_close over all attempts", function()
      local got = timed("app:sleeps", { timeout = "30s", ["activity.schedule_to_close_timeout"] = "45s", ["activity.retry_policy"] = { initial_interval = "1s" } }, "1h")
      test.equal({ got.took, got.details.timeout_type }, { 45000, "ScheduleToClose" })
    end)
    test.it("heartbeat", function()
      local got = timed("app:silent", { ["activity.heartbeat_timeout"] = "10s" })
      test.equal({ got.took, got.details.timeout_type, got.details.last_heartbeat }, { 10000, "Heartbeat", "once" })
      got = timed("app:alive", { ["activity.heartbeat_timeout"] = "10s" })
      test.equal({ got.value, got.took }, { "alive", 80000 })
    end)
    test.it("details of the last heartbeat reach the next attempt", function()
      local got = timed("app:resumes", { ["activity.retry_policy"] = { maximum_attempts = 3 } })
      test.equal(got.message, nil)
      test.equal(got.value, 20)
    end)
    """
    entries = "".join(lua(name) for name in ("sleeps", "silent", "alive", "resumes"))
    project(tmp_path, test, entries, acts_lua=LUA).passes()


def test_an_activity_knows_where_it_runs(tmp_path: Path) -> None:
    test = """
    test.it("its attempt, queue and deadline", function()
      local info = test.start({ entry = "app:calls", args = { "app:info" } }):result()
      test.equal(info, { 1, "app:info", "app:calls", "depot", false, "2023-11-14T22:23:20Z" })
    end)
    test.it("a local one", function()
      test.equal(test.start({ entry = "app:calls", args = { "app:near" } }):result()[5], true)
    end)
    test.it("one key for all attempts", function()
      test.equal(test.start({ entry = "app:calls", args = { "app:key" } }):result(), "virtual/virtual/1")
    end)
    """
    near = lua("info").replace("name: info", "name: near").replace("worker: worker}", "worker: worker, local: true}")
    project(tmp_path, test, lua("info") + near + lua("key"), acts_lua=LUA).passes()


def test_a_call_that_is_given_up_is_heard_of_at_a_heartbeat(tmp_path: Path) -> None:
    test = """
    test.it("obeys", function()
      test.equal(test.start({ entry = "app:gives_up", args = { "app:obeys", "10s" } }):result(), errors.CANCELED)
    end)
    """
    made = project(tmp_path, test, lua("obeys"), acts_lua=LUA)
    made.passes()
    assert made.lines == ["acts.lua:22: told to end"]


def test_an_activity_that_fails_for_ever_is_named(tmp_path: Path) -> None:
    made = project(
        tmp_path,
        'test.it("x", function() test.start({ entry = "app:calls", args = { "app:never" } }):result() end)',
        lua("never"),
        acts_lua=LUA,
    )
    message = made.outcomes()["x"].message
    assert "the run waits for app:never, which failed 100 times" in message
    assert "attempt 100 [Unavailable]" in message
    assert "maximum_attempts" in message


def test_functions_that_functions_call_are_answered_by_the_test_too(tmp_path: Path) -> None:
    test = """
    test.it("x", function()
      local run = test.start({ entry = "app:calls", args = { "app:asks", 4 }, functions = { ["app:rate"] = function(n) return n * 10 end } })
      test.equal(run:result(), 41)
      test.equal(run.calls, { { id = "app:rate", args = { 4 } } })
    end)
    """
    files = {
        "acts_lua": 'local funcs = require("funcs")\nreturn { asks = function(n) return (funcs.call("app:rate", n)) + 1 end }'
    }
    project(tmp_path, test, lua("asks"), **files).passes()


def test_real_work_holds_the_clock(tmp_path: Path) -> None:
    """A thread or a database is waited for, however soon the next timer is."""
    python_code = """
    import asyncio, sqlite3
    async def asks():
        return await asyncio.to_thread(lambda: sqlite3.connect(":memory:").execute("select 40 + 2").fetchone()[0])
    """
    test = """
    test.it("x", function()
      local run = test.start({ entry = "app:timed", args = { "app:asks", { timeout = "10m" } } })
      test.equal({ run.state, run.value.value, run.value.took }, { "done", 42, 0 })
    end)
    """
    project(tmp_path, test, python("asks"), acts_py=python_code).passes()


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """Loops, threads and tasks of a suite are closed: Python would say so at its end."""
    project(
        tmp_path,
        "test.it('x', function() test.start({ entry = 'app:calls', args = { 'app:third' } }):result() end)",
        lua("third"),
        acts_lua=LUA,
    )
    code = "import sys; from pathlib import Path; from tests.testing.projects import Project\n"
    code += "from runtime.registry import Registry; from runtime.testing import Suite, find\n"
    code += f"d = Path({str(tmp_path)!r}); s = Suite(Registry.load(d / 'registry.yaml', environ={{}}), find(d))\n"
    code += "assert all(s.run(c).ok for c in s.cases)"
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


async def test_a_suite_may_be_run_where_another_loop_runs(tmp_path: Path) -> None:
    test = "test.it('x', function() test.equal(test.start({ entry = 'app:calls', args = { 'app:third' } }):result(), 3) end)"
    project(tmp_path, test, lua("third"), acts_lua=LUA).passes()
