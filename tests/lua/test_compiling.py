"""Scripts as they are compiled: a call of the API keeps its line, recursion by tail calls goes on without end."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.errors import Error
from runtime.lua.analysis import read
from runtime.lua.bindings import calls_of
from runtime.lua.compiling import compile_script
from runtime.lua.protocol import Command
from tests.support import fail, host, run

MODULES = ("funcs", "time", "workflow", "saga")


def first(script: str, **options: Any) -> Command:
    """The first command with an outcome that a script gives."""
    virtual = host(script, modules=MODULES, **options)
    try:
        virtual.start()
        return next(command for command in virtual.commands if command.seq is not None)
    finally:
        virtual.close()


WAITS = {
    "a function": "return funcs.call('t:work') -- here",
    "a function that is a local": "local call = funcs.call\nreturn call('t:work') -- here",
    "a function of a module that is a local": "local f = require('funcs')\nreturn f.call('t:work') -- here",
    "a function of an upvalue": "local f = require('funcs')\nlocal function go()\nreturn f.call('t:work') -- here\nend\nreturn go()",
    "a function that is an upvalue": "local c = funcs.call\nlocal function go()\nreturn c('t:work') -- here\nend\nreturn go()",
    "an executor": "return funcs.new():call('t:work') -- here",
    "sleep": "return time.sleep('1h') -- here",
    "after": "return time.after('1h'):receive() -- here",
    "a protected call": "return pcall(funcs.call, 't:work') -- here",
    "a message": "return process.send('{w|x}', 'topic') -- here",
    "a child": "return process.exec('t:child', 'w') -- here",
    "a child of its worker": "return workflow.exec('t:child') -- here",
    "a spawner": "return process.with_name('n'):spawn('t:child', 'w') -- here",
    "a condition": "return workflow.wait(function() return false end, '1h') -- here",
    "what is detached": "return workflow.detached(function()\nreturn funcs.call('t:work') -- here\nend)",
    "a field of a field": "local t = { e = funcs.new() }\nlocal function go()\nreturn t.e:call('t:work') -- here\nend\nreturn go()",
    "a coroutine": "return coroutine.wrap(function()\nreturn funcs.call('t:work') -- here\nend)()",
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_a_wait_in_tail_position_has_its_line(wait: str) -> None:
    [expected] = [number for number, line in enumerate(wait.split("\n"), 2) if line.endswith("-- here")]
    assert first(f"return function()\n{wait}\nend").at == f"script.lua:{expected}"


def test_a_failure_of_a_wait_in_tail_position_has_its_line_in_the_stack() -> None:
    error = fail("return process.send({}, 'topic')")
    assert error.message.startswith("script.lua:2: bad argument #1 to 'send'")
    assert error.stack is not None
    assert "script.lua:2" in error.stack


def test_a_compensation_in_tail_position_has_its_line() -> None:
    command = first("return function()\nlocal s = saga.new()\ns:add('t:undo')\nreturn s:compensate()\nend")
    assert command.at == "script.lua:4"


def test_select_in_tail_position_shows_where_it_waits() -> None:
    virtual = host("return function()\nlocal ch = process.inbox()\nreturn channel.select{ ch:case_receive() }\nend")
    try:
        virtual.start()
        [stack] = virtual.query("__lua_stack")
        assert stack["frames"] == ["script.lua:3 in function <script.lua:1>"]
    finally:
        virtual.close()


RECURSION = {
    "a local": "local function loop(n) if n == 0 then return 0 end return loop(n - 1) end return loop(N)",
    "two locals": "local odd local function even(n) if n == 0 then return 0 end return odd(n - 1) end "
    "function odd(n) return even(n - 1) end return even(N)",
    "a field": "local M = {} function M.step(n) if n == 0 then return 0 end return M.step(n - 1) end return M.step(N)",
    "a table of states": "local s = {} s.a = function(n) return s[n % 2 == 0 and 'a' or 'b'](n - 1) end "
    "s.b = function(n) if n < 0 then return 0 end return s.a(n) end return s.a(N)",
    "a parameter": "local function go(k, n) if n == 0 then return 0 end return k(k, n - 1) end return go(go, N)",
    "a global": "function loop(n) if n == 0 then return 0 end return loop(n - 1) end return loop(N)",
    "a method": "local M = {} function M:step(n) if n == 0 then return 0 end return self:step(n - 1) end return M:step(N)",
    "a method that is called as one of the API's": "local M = {} function M:receive(n) if n == 0 then return 0 end "
    "return self:receive(n - 1) end return M:receive(N)",
    "one's own function instead of the API's": "funcs = { call = function(n) if n == 0 then return 0 end "
    "return funcs.call(n - 1) end } return funcs.call(N)",
    "one's own function that Lua had": "function select(n) if n == 0 then return 0 end return select(n - 1) end return select(N)",
}


@pytest.mark.parametrize("body", RECURSION.values(), ids=RECURSION)
def test_recursion_by_tail_calls_has_no_end(body: str) -> None:
    assert run(body.replace("N", "250000"), instructions=40_000_000) == 0


def test_a_library_may_go_by_the_name_of_a_module() -> None:
    library = "local M = {} function M.call(n) return n end return M"
    code = compile_script("return funcs.call(1)", "x.lua", ("funcs",), ("funcs",))
    assert [call.is_tail for call in calls_of(read(code))] == [True]
    assert run("return funcs.call(7)", modules=(), libraries={"funcs": library}) == 7


def test_results_are_all_passed_on() -> None:
    assert run("local function f(...) return select(2, ...) end local t = { f(1, 2, nil, 4) } return t[3]") == 4
    assert run("local function f(...) return table.unpack({ ... }, 1, 3) end return select('#', f(1, nil, nil))") == 3


def test_what_is_to_be_closed_is_closed_behind_a_tail_call() -> None:
    body = """local log = {}
    local function f(...)
      local t <close> = setmetatable({}, { __close = function() log[#log + 1] = "closed" end })
      return select(1, ...)
    end
    return { f("given"), log[1] }"""
    assert run(body) == ["given", "closed"]


def test_a_failure_says_where_it_was_waited_for() -> None:
    def broken() -> None:
        raise Error("Broken", "no", stack="work.lua:7: in main")

    body = "local function go()\nreturn funcs.call('t:work')\nend\nlocal v, err = go()\nreturn v, err"
    lines = (fail(body, functions={"t:work": broken}).stack or "").split("\n")
    assert lines[0] == "work.lua:7: in main"
    assert lines[1].startswith("script.lua:3: in ")
    assert lines[2].startswith("script.lua:5: in ")


def test_a_failure_without_a_place_has_that_of_the_call() -> None:
    def broken() -> None:
        raise Error("Broken", "no")

    error = fail("local future = funcs.async('t:work')\nreturn future:await()", functions={"t:work": broken})
    assert (error.stack or "").startswith("script.lua:3: in ")
