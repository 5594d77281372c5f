"""What a script cannot reach, and that what it tries ends as a Lua error it can read."""

from __future__ import annotations

import pytest

from runtime.errors import INTERNAL, Error
from runtime.lua import protocol
from runtime.lua.session import Session
from runtime.testing import program_from_source
from tests.support import fail, host, main, run


@pytest.mark.parametrize(
    "name",
    ["python", "io", "package", "debug", "dofile", "loadfile", "collectgarbage", "_ENV_RAW", "host", "K", "newproxy"],
)
def test_absent_globals_read_as_nil(name: str) -> None:
    assert run(f"return type({name})") == "nil"


@pytest.mark.parametrize("name", ["execute", "exit", "getenv", "remove", "rename", "tmpname", "setlocale"])
def test_absent_os_functions(name: str) -> None:
    error = fail(f"os.{name}('x')")
    assert error.kind == INTERNAL
    assert error.message.startswith("script.lua:2: attempt to call a nil value (field")


@pytest.mark.parametrize(
    "attack",
    [
        "return getmetatable('').__index",
        "return getmetatable(process)",
        "return getmetatable(channel.new())",
        "return getmetatable(errors.new('x'))",
    ],
)
def test_metatables_are_protected(attack: str) -> None:
    body = f"local ok, value = pcall(function() {attack} end) return not ok or value == false"
    assert run(body) is True


@pytest.mark.parametrize(
    "attack",
    [
        "string.format = nil",
        "process.pid = function() end",
        "rawset(string, 'format', nil)",
        "rawset(process, 'pid', nil)",
        "setmetatable(string, {})",
        "setmetatable({}, {__gc = function() end})",
        "setmetatable({}, {__mode = 'k'})",
        "rawget(channel.new(), 1)",
        "next(errors.new('x'))",
        "for _ in pairs(channel.new()) do end",
        "errors.new('x').kind = 1",
        "table.insert(channel.new(), 1)",
        "table.unpack(errors.new('x'))",
        "math.randomseed(1)",
        "setmetatable(setmetatable({}, {__metatable = 1}), nil)",
        "load(string.rep('x', 3), nil, 'b')()",
        "string.dump(function() end)",
        "require('io')",
        "require('http_client')",
    ],
)
def test_refused(attack: str) -> None:
    assert fail(attack).kind == INTERNAL


def test_bytecode_is_refused_with_a_reason() -> None:
    assert run("local f, e = load('\\27Lua', 'x', 'b') return {f == nil, e}") == [
        True,
        "attempt to load a binary chunk: only text is accepted",
    ]
    assert "binary" in run("local f, e = load('\\27Lua') return e")


def test_load_runs_in_the_scripts_environment() -> None:
    assert run("x = 5 return load('return x + 1')()") == 6
    assert run("return type(load('return python')())") == "nil"


def test_api_objects_call_themselves_userdata() -> None:
    assert run("return {type(channel.new()), type(errors.new('x')), type(process.listen('t')), type({})}") == [
        "userdata",
        "userdata",
        "userdata",
        "table",
    ]


def test_addresses_are_ordinals() -> None:
    body = """
    local a, f = {}, function() end
    return {tostring(a), tostring(f), string.format('%s', a), string.format('%p', a), ('%s'):format(coroutine.create(f))}
    """
    assert run(body) == ["table: 1", "function: 2", "table: 1", "table: 1", "thread: 3"]


def test_nan_has_one_text() -> None:
    assert (
        run("return {tostring(0/0), tostring(-(0/0)), string.format('%f', 0/0), string.format('%.1f', -(0/0))}")
        == ["nan"] * 4
    )


def test_string_functions_take_error_objects() -> None:
    assert run("local e = errors.new('Invalid', 'bad') return {('x'):rep(2), string.upper(e), 'a' .. e, e .. 'b'}") == [
        "xx",
        "BAD",
        "abad",
        "badb",
    ]


def test_numeric_strings_still_calculate() -> None:
    assert run("return {'10' + 5, '3' * '4', -'2', 10 // '3'}") == [15, 12, -2, 3]
    assert "arithmetic" in fail("return 'x' + 1").message


def test_random_comes_from_the_seed() -> None:
    body = "return {math.random(1000000), math.random(1000000), math.random()}"
    assert run(body, seed=7) == run(body, seed=7)
    assert run(body, seed=7) != run(body, seed=8)


def test_the_clock_is_the_workflows() -> None:
    assert run("return os.time()", now=1_700_000_000_000_000_000) == 1_700_000_000
    assert run("return os.date('%Y-%m-%d %H:%M:%S %a %b %j')", now=1_700_000_000_000_000_000) == (
        "2023-11-14 22:13:20 Tue Nov 318"
    )
    assert run("local d = os.date('*t', 0) return {d.year, d.month, d.day, d.hour, d.isdst}") == [1970, 1, 1, 0, False]
    assert run("return os.time({year=2024, month=2, day=29, hour=0})") == 1709164800


def test_globals_of_one_run_are_not_anothers() -> None:
    assert run("leak = 1 return type(leak)") == "number"
    assert run("return type(leak)") == "nil"


def test_libraries_have_their_own_environment() -> None:
    libraries = {"helper": "local M = {} hidden = 1 function M.twice(x) return x * 2 end return M"}
    assert run("local h = require('helper') return {h.twice(4), type(hidden), helper == h}", libraries=libraries) == [
        8,
        "nil",
        True,
    ]


def test_a_query_cannot_act() -> None:
    virtual = host(
        main("workflow.query('bad', function() return funcs.call('a:b') end) return process.inbox():receive()")
    )
    virtual.start()
    with pytest.raises(Error, match=r"query handler or validator cannot use 'funcs.call'"):
        virtual.query("bad")
    virtual.close()


def test_no_python_object_from_a_failing_host_function(monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_args: object) -> object:
        raise ValueError("/secret/path")

    session = Session(
        program_from_source(
            main("local v, e = workflow.version('a', 1, 2) return {type(v), type(e), tostring(e)}"),
            modules=["workflow"],
        ),
        {"class": "workflow", "pid": "p", "seed": 1, "ctx": {}, "info": {}},
        version=explode,  # type: ignore[arg-type]
    )
    batch = session.step([protocol.start([])], protocol.Clock(now=0))
    assert batch.value is not None
    assert batch.value.value() == ["nil", "userdata", "workflow.version failed in the host"]
    session.close()


def test_a_fault_inside_the_kernel_is_told_at_the_scripts_line() -> None:
    body = "local t = {} for i = 1, 150 do t[i] = i end t[9] = {}\ntable.sort(t)"
    assert fail(body).message.startswith("script.lua:3: attempt to compare ")
    caught = run(body.replace("table.sort(t)", "local ok, err = pcall(table.sort, t) return err"))
    assert "?:" not in caught
    assert "attempt to compare" in caught


@pytest.mark.parametrize("library", ["string", "math", "coroutine", "time"])
def test_what_a_library_has_can_be_listed(library: str) -> None:
    """In the order of the names, and without anything but the view in the script's hands."""
    body = f"""
      local step, view, first = pairs({library})
      local names = {{}}
      for name, value in pairs({library}) do
        assert({library}[name] == value)
        names[#names + 1] = name
      end
      return {{ names, view == {library}, first == nil }}
    """
    names, is_view, is_first = run(body)
    assert is_view
    assert is_first
    assert names
    assert names == sorted(names)
