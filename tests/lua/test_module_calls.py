"""Calls of modules with literal text, found by the analysis of a script."""

from __future__ import annotations

import pytest

from runtime.lua.analysis import ModuleCall, analysed, module_calls


def found(source: str, *modules: str) -> list[ModuleCall]:
    return list(module_calls(analysed(source, "x.lua"), modules or ("env",)))


def get(*texts: str, whole: bool = True, line: int = 1, function: str = "get", module: str = "env") -> ModuleCall:
    return ModuleCall(module, function, texts, whole, line)


@pytest.mark.parametrize(
    ("call", "literal"),
    [
        ('env.get("A")', get("A")),
        ("env.get('A')", get("A")),
        ('env.get "A"', get("A")),
        ("env.get[[A]]", get("A")),
        ("env.get([[\nA\n]])", get("A\n")),
        ("env.get([==[a]]b]==])", get("a]]b")),
        ('env . get ( "A" )', get("A")),
        ('env --[[ c ]] . get( -- c\n"A")', get("A")),
        ("env.get([[a[b]])", get("a[b")),
        ('env.get("A", "B", "C")', get("A", "B", "C")),
        ('env.get("A", 1)', get("A")),
        ('env.get("A", "B", x, "C")', get("A", "B")),
        ('env.get("A" .. x)', get("A", whole=False)),
        ('env.get("A", "B" .. x)', get("A", "B", whole=False)),
        ('env.get("A", x .. "B")', get("A")),
        ('env.get("")', get("")),
        ("env.set(\"it's\", '\"')", get("it's", '"', function="set")),
        ('x = env.get("A").x', get("A")),
        ('x = env["get"]("A")', get("A")),
        ('env.get("\\65")', get("A")),
        ("env.get '\\65'", get("A")),
        ('env.get(("A"))', get("A")),
        ('env.get("A"):upper()', get("A")),
        ('local x = 1 + env.get("A")', get("A")),
        ('x.y = env.get("A")', get("A")),
        ('return{env.get("A")}', get("A")),
        ('f(env.get("A"))', get("A")),
        ('x = y .. env.get("A")', get("A")),
    ],
)
def test_a_call_with_texts_is_found(call: str, literal: ModuleCall) -> None:
    assert found(call) == [literal]


@pytest.mark.parametrize(
    "call",
    [
        "env.get(x)", "env.get()", 'env.get(x, "A")', "x = env.get", "x = env", 'env("A")', 'env:get("A")',
        'x.env.get("A")', 'other.get("A")', 'get("A")', 'env.get{"A"}', '-- env.get("A")', '--[[ env.get("A") ]]',
        '--[==[ ]] env.get("A") ]==]', 'x = "env.get(\'A\')"', "x = [[env.get('A')]]", "x = [=[ ]] env.get('A') ]=]",
        'ENV.get("A")', 'env2.get("A")', "env.get(7)", 'x:env().get("A")',
    ],
)  # fmt: skip
def test_other_calls_are_not(call: str) -> None:
    assert found(call) == []


def test_a_call_has_the_line_of_its_function_s_name() -> None:
    source = 'local a = [[\n\n]] -- one\n--[[ two\n]] env\n.get(\n"A") env.get("B")\n\nenv.get("C")'
    assert found(source) == [get("A", line=6), get("B", line=7), get("C", line=9)]


def test_comments_and_texts_end_where_they_end() -> None:
    source = (
        "local a, b = \"--\", '--[[' env.get('A') -- \"\nenv.get('B') --[[ ']] env.get('C') --[=[ ]] ]=] env.get('D')"
    )
    assert [literal.texts for literal in found(source)] == [("A",), ("B",), ("C",), ("D",)]
    assert found('local a = "\\"" env.get(\'A\')') == [get("A")]
    assert found("x = a[1] env.get('A') y = b[c[1]] --[ env.get('B')\nenv.get('C')") == [get("A"), get("C", line=2)]


def test_numbers_do_not_run_into_names() -> None:
    assert found("x = 1e+5 env.get('A')") == [get("A")]
    assert found("x = 0x1p-2 .. env.get('A') y = 1 ..env.get('B')") == [get("A"), get("B")]
    assert found("x = 3 == env.get('A') or 4 ~= env.get('B')") == [get("A"), get("B")]


def test_each_module_is_told_by_its_own_name() -> None:
    source = "env.get('A') http_client.get('B') json.decode('C')"
    assert found(source, "env", "http_client") == [get("A"), get("B", module="http_client")]


@pytest.mark.parametrize(
    "binding",
    [
        "local e = require('env')", 'local e = require"env"', "local e = require[[env]]",
        "local other, more = 1, 2 local e = require('env')", "local e = require('env') local function g(x) return x end",
        "local e = require('env') x.e = 1", "local e = require('env') x:e()", "local e = require('env') if e == 1 then end",
        "local e = require('env') f(e, 1)", "local e = require('env') f(e, e)", "local e = require('env') x = y", "local e = require('env') for i in x do end",
        "local e = require('env') for e in x do end", "local e = require('env') for i, e in x do end",
        "local e = require('env') local function f(a, e) end", "local e = require('env') x = function(e) end",
        "local e = require('env') function x.y(e) end", "local e = require('env') local t = { e = 1 }",
        "local a, e = 1, require('env')", "local json, e = require('json'), require('env')",
    ],
)  # fmt: skip
def test_a_local_that_is_required_stands_for_the_module(binding: str) -> None:
    assert found(f"{binding} e.get('A')") == [get("A")]


@pytest.mark.parametrize(
    "binding",
    [
        "local e = require('json')", "local e = require(env)", "local e = requires('env')", "local e = 'env'", "local e",
        "local e = require('env') e = x", "local e = require('env') local e = x", "local e = require('env') local e = require('json')",
        "local e = require('env') a, e = x()", "local e = require('env') e, a = x()", "local e = require('env') function e() end", "local e = require('env') local function e() end",
        "e = require('env')",
        "local e = require('env') local a, e = 1", "local e = require('env') local a <const>, e = 1",
        "local e = require('env') local a <const>, e f()", "local e = require('env') local a, e f()",
        "local e = require('env') a, b, e = x()",
    ],
)  # fmt: skip
def test_a_name_that_is_bound_to_anything_else_does_not(binding: str) -> None:
    assert found(f"{binding} e.get('A')") == []


def test_a_module_s_own_name_may_be_bound_as_any_other() -> None:
    assert found("local function env() end env.get('A')") == []
    assert found("env = env env.get('A')") == []
    assert found("local env = require('env') env.get('A')") == [get("A")]
    assert found("local env = require('json') env.get('A')", "env", "json") == [get("A", module="json")]


@pytest.mark.parametrize(
    "source",
    [
        "local _ENV = { env = other } return function() return env.get('A') end",
        "return function(_ENV) return function() return env.get('A') end end",
        "function require() return other end local e = require('env') e.get('A')",
    ],
)
def test_globals_of_the_script_s_own_are_left_to_the_run(source: str) -> None:
    assert found(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "local m = ... return (m or env).get('A')",
        "_G.env = { get = print } return env.get('A')",
        "rawset(_G, 'env', { get = print }) return env.get('A')",
    ],
)
def test_what_may_be_something_else_is_not_accused(source: str) -> None:
    assert found(source) == []
