"""Expressions, with the operators, precedences and functions of the Go library expr-lang."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import INVALID, LIMIT_EXCEEDED, Error
from tests.support import fail, host, main, run

ENV: dict[str, Any] = {
    "a": 1,
    "b": 2.5,
    "s": "hello",
    "list": [1, 2, 3],
    "users": [{"name": "Ann", "age": 20}, {"name": "Bob", "age": 15}],
    "deep": {"x": {"y": 5}},
    "none": None,
    "holes": [1, None, 3],
}

_EVAL = """
local text, env = ...
local value, err = expr.eval(text, env)
if err then return {error = tostring(err), kind = err:kind(), position = err:details() and err:details().position} end
return {value = value, integer = math.type(value) == 'integer'}
"""


def answer(text: str, env: dict[str, Any] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = run(_EVAL, text, ENV if env is None else env, modules=["expr"])
    return found


def value(text: str, env: dict[str, Any] | None = None) -> Any:
    found = answer(text, env)
    assert "error" not in found, found
    return found.get("value")


def refusal(text: str) -> str:
    found = answer(text)
    assert found["kind"] == INVALID
    assert found["error"].endswith(f" at position {found['position']}")
    return str(found["error"]).removeprefix("expr: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("42", 42),
        ("1_000", 1000),
        ("0x1F + 0b11 + 0o17", 49),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("nil", None),
        ("'it\\'s'", "it's"),
        ('"tab\\t\\u00e9\\x41"', "tab\té" + "A"),
        ("`raw\\n`", "raw\\n"),
        ("[1, 'a', nil, [true],]", [1, "a", None, [True]]),
        ("{a: 1, 'b c': 2, 3: 4, ('d' + 'e'): 5,}", {"a": 1, "b c": 2, "3": 4, "de": 5}),
        ("{}", {}),
        ("[]", []),
        ("1 /* one */ + 1 // two", 2),
    ],
)
def test_literals(text: str, expected: Any) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("-2 ** 2", -4.0),
        ("2 ** 3 ** 2", 512.0),
        ("2 ^ 3", 8.0),
        ("7 / 2", 3.5),
        ("4 / 2", 2.0),
        ("-7 % 3", -1),
        ("7 % -3", 1),
        ("'a' + 'b'", "ab"),
        ("1 + 0.5", 1.5),
        ("1 == 1.0", True),
        ("1 != 2", True),
        ("'a' < 'b'", True),
        ("2 >= 2.0", True),
        ("[1, {x: 2}] == [1, {x: 2}]", True),
        ("[1] == [2]", False),
        ("not true || !false", True),
        ("false and missing.x", False),
        ("true or missing.x", True),
        ("true || false && false", True),
        ("2 in list", True),
        ("5 not in list", True),
        ("'x' in deep", True),
        ("1 in nil", False),
        ("s contains 'ell' and s startsWith 'he' and s endsWith 'lo'", True),
        ("s not contains 'x'", True),
        ("a > 0 ? 'yes' : 'no'", "yes"),
        ("a > 5 ? 1 : a > 0 ? 2 : 3", 2),
        ("false ?: true", True),
        ("none ?? 'default'", "default"),
        ("missing ?? nil ?? 3", 3),
        ("1..3", [1, 2, 3]),
        ("3..1", []),
        ("1 + 1..2 + 2", [2, 3, 4]),
        ("let x = 2; let y = x * x; x + y", 6),
        ("let a = 9; a + (let a = 1; a)", 10),
    ],
)
def test_operators(text: str, expected: Any) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("deep.x.y", 5),
        ("deep['x'].y", 5),
        ("deep.none", None),
        ("missing?.x.y.z", None),
        ("missing?.[0].x", None),
        ("missing?.x[1:2]", None),
        ("(missing?.x) ?? 1", 1),
        ("list[0]", 1),
        ("list[-1]", 3),
        ("holes[1]", None),
        ("list[1:2]", [2]),
        ("list[1:]", [2, 3]),
        ("list[:-1]", [1, 2]),
        ("list[:99]", [1, 2, 3]),
        ("s[1:3]", "el"),
        ("'aé€'[1:]", "é€"),
        ("'aé€'[-1]", "€"),
        ("$env.a + $env['a']", 2),
        ("users[0].name", "Ann"),
    ],
)
def test_members_items_and_slices(text: str, expected: Any) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("len(list) + len(s) + len(deep) + len('é')", 10),
        ("map([nil, true, 1, 1.0], type(#))", ["nil", "bool", "int", "float"]),
        ("map(['', [], {}], type(#))", ["string", "array", "map"]),
        ("filter(list, # > 1)", [2, 3]),
        ("filter(list, {# > 1})", [2, 3]),
        ("filter(users, .age >= 18)", [{"name": "Ann", "age": 20}]),
        ("map(users, .name)", ["Ann", "Bob"]),
        ("map(list, #index)", [0, 1, 2]),
        ("map(list, {{v: #}})", [{"v": 1}, {"v": 2}, {"v": 3}]),
        ("map(holes, # ?? 0)", [1, 0, 3]),
        ("map(1..2, map(1..2, # * 10))", [[10, 20], [10, 20]]),
        ("let n = 10; map(list, # + n)", [11, 12, 13]),
        ("all(list, # > 0) and all([], false)", True),
        ("any(list, # == 2)", True),
        ("one(list, # == 2) and not one(list, # > 1)", True),
        ("none(list, # > 3)", True),
        ("count(list, # > 1) + count([true, false])", 3),
        ("find(list, # > 1)", 2),
        ("find(list, # > 9)", None),
        ("findIndex(list, # > 1)", 1),
        ("sum(list)", 6),
        ("sum([])", 0),
        ("sum(users, .age)", 35),
        ("mean(list)", 2.0),
        ("reduce(list, #acc + #)", 6),
        ("reduce(list, #acc * #, 10)", 60),
        ("groupBy(list, # % 2 == 0 ? 'even' : 'odd')", {"even": [2], "odd": [1, 3]}),
        ("min(3, 1.5, 2)", 1.5),
        ("max(list)", 3),
        ("abs(-3)", 3),
        ("[floor(1.7), ceil(1.2), round(2.5), round(-2.5), round(0.49999999999999994)]", [1.0, 2.0, 3.0, -3.0, 0.0]),
        ("[int('-42'), int(2.9), int(-2.9)]", [-42, 2, -2]),
        ("[float('1.5'), float(2)]", [1.5, 2.0]),
        ("[string(1), string(1.0), string(0.1), string(true), string(nil)]", ["1", "1", "0.1", "true", "nil"]),
        ("string([1, {x: 2}])", '[1,{"x":2}]'),
        ("trim('  a b ') + trim('--x-', '-')", "a bx"),
        ("[trimPrefix('v1', 'v'), trimSuffix('a.lua', '.lua')]", ["1", "a"]),
        ("upper('aé') + lower('BÉ')", "AébÉ"),
        ("split('a,b,c', ',')", ["a", "b", "c"]),
        ("split('a,b,c', ',', 2)", ["a", "b,c"]),
        ("split('aé', '')", ["a", "é"]),
        ("join(['a', 'b'], '-') + join([])", "a-b"),
        ("replace('aXbX', 'X', '-') + replace('aXbX', 'X', '-', 1)", "a-b-a-bX"),
        ("repeat('ab', 2)", "abab"),
        ("[indexOf('éab', 'b'), indexOf('a', 'x'), lastIndexOf('abab', 'a')]", [2, -1, 2]),
        ("hasPrefix(s, 'he') and hasSuffix(s, 'lo')", True),
        ("[first(list), last(list), first([])]", [1, 3, None]),
        ("keys({b: 1, a: 2})", ["a", "b"]),
        ("values({b: 1, a: 2})", [2, 1]),
        ("take(list, 2)", [1, 2]),
        ("concat([1], [2, 3])", [1, 2, 3]),
        ("concat([])", []),
        ("reverse(list)", [3, 2, 1]),
        ("uniq([1, 1.0, 'a', 'a', [1], [1]])", [1, "a", [1]]),
        ("sort([3, 1, 2])", [1, 2, 3]),
        ("sort(['b', 'a'], 'desc')", ["b", "a"]),
        ("sortBy(users, .age) | map(.name)", ["Bob", "Ann"]),
        ("get(list, 9) ?? get(deep, 'q') ?? get(nil, 1) ?? 'none'", "none"),
        ("fromJSON(toJSON({a: [1]})).a[0]", 1),
        ("list | filter(# > 1) | map(# * 2) | sum()", 10),
        ("'a b' | split(' ') | join('_')", "a_b"),
    ],
)
def test_functions(text: str, expected: Any) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "unexpected end at position 1"),
        ("1 +", "unexpected end at position 4"),
        (")", "unexpected ')' at position 1"),
        ("1 2", "unexpected '2' at position 3"),
        ("[1", "',' expected, not the end at position 3"),
        ("a.1", "unexpected '.1' at position 2"),
        ("1a", "not a number at position 1"),
        ("'abc", "the string does not end at position 1"),
        ("'\\q'", "an unknown escape in a string at position 2"),
        ("/* a", "the comment does not end at position 1"),
        ("a @ b", 'unexpected character "@" at position 3'),
        ("9223372036854775808", "an integer beyond 64 bits at position 1"),
        ("# > 1", "'#' is only for predicates at position 1"),
        ("filter(list, #no)", "unknown pointer #no at position 14"),
        ("len()", "len takes 1 arguments, not 0 at position 1"),
        ("nope(1)", "'nope' is nil, not a function at position 1"),
        ("missing.x", "cannot get 'x' of nil at position 9"),
        ("a.b", "cannot get 'b' of an int at position 3"),
        ("list[3]", "index 3 is outside 0..2 at position 5"),
        ("list['x']", "an array has no member 'x' at position 5"),
        ("a ? 1 : 2", "?:: an int where a bool is needed at position 3"),
        ("not a", "not: an int where a bool is needed at position 1"),
        ("1 + 'a'", "+: cannot take an int and a string at position 3"),
        ("1 < 'a'", "<: cannot compare an int and a string at position 3"),
        ("1 % 0", "division by zero at position 3"),
        ("1.5 % 2", "%: 1.5 where an integer is needed at position 5"),
        ("filter(list, #)", "filter: an int where a bool is needed at position 1"),
        ("1..10000000", "a range of more than 1000000 items at position 2"),
        ("min(1, nil)", "min: nil where a number is needed at position 1"),
        ("int('x')", "int: not an integer: 'x' at position 1"),
        ("(" * 101, "the expression is nested deeper than 100 at position 101"),
    ],
)
def test_refusals_say_where(text: str, problem: str) -> None:
    assert refusal(text) == problem


def test_a_long_chain_is_no_deep_nesting() -> None:
    assert value("+".join(["1"] * 4000)) == 4000
    assert "more than 10000 parts" in refusal("+".join(["1"] * 6000))


def test_a_value_comes_alone() -> None:
    assert run("return select('#', expr.eval('1'))", modules=["expr"]) == 1


def test_only_the_environment_is_there() -> None:
    for name in ("print", "funcs", "string", "_G", "require", "os", "K", "pcall"):
        assert value(name, {}) is None


def test_the_instruction_budget_holds() -> None:
    body = "return expr.eval('sum(map(1..100000, sum(1..100000)))')"
    assert fail(body, modules=["expr"], instructions=1_000_000).kind == LIMIT_EXCEEDED


def test_programs_are_compiled_once_and_run_often() -> None:
    body = """
    local program = expr.compile('x * 2 + len(list ?? [])')
    local bad, err = expr.compile('1 +')
    local _, at_run = program:run{x = {}}
    return {program:run{x = 1}, program:run{x = 2, list = {1, 2}}, bad == nil, err:kind(), err:retryable(), at_run:kind(), type(program)}
    """
    assert run(body, modules=["expr"]) == [2, 6, True, INVALID, False, INVALID, "userdata"]


def test_functions_of_the_environment() -> None:
    body = """
    local env = {
      double = function(n) return n * 2 end,
      bad = function() return nil, errors.new('Conflict', 'no') end,
      tool = {add = function(a, b) return a + b end},
      wait = function() time.sleep('1s') return 7 end,
    }
    local _, err = expr.eval('1 + bad()', env)
    return {expr.eval('double(4) + tool.add(1, 2)', env), err:kind(), expr.eval('4 | double()', env), expr.eval('wait()', env)}
    """
    assert run(body, modules=["expr", "time"]) == [11, "Conflict", 8, 7]
    assert fail("return expr.eval('f()', {f = function() error('broken') end})", modules=["expr"]).message.endswith(
        "broken"
    )


def test_values_of_the_api_are_compared_and_otherwise_opaque() -> None:
    body = """
    local env = {now = time.unix(10, 0), later = time.unix(20, 0), d = time.parse_duration('2s'), e = errors.new('x')}
    local _, err = expr.eval('now.unix', env)
    return {expr.eval('now < later and now != later and d == d', env), expr.eval('type(now)', env), err:kind(), expr.eval('e', env) == env.e}
    """
    assert run(body, modules=["expr", "time"]) == [True, "Time", INVALID, True]


@pytest.mark.parametrize(
    ("body", "text"), [("expr.eval(1)", "'eval'"), ("expr.eval('1', 2)", "'eval'"), ("expr.compile()", "'compile'")]
)
def test_misuse_raises_at_the_callers_line(body: str, text: str) -> None:
    message = fail(f"local value = {body}", modules=["expr"]).message
    assert message.startswith("script.lua:2: bad argument")
    assert text in message


_MATCHES = [
    ("^h.*o$", "hello"),
    ("^h.*o$", "hello!"),
    ("l{2}", "hello"),
    ("^(a|b)+?c{1,2}$", "ababcc"),
    ("^(?:ab)*$", "abab"),
    ("[^a-c]x", "dx"),
    ("[^a-c]x", "bx"),
    ("[]a]", "]"),
    ("\\d{3}-\\w+\\s?", "123-ab"),
    ("\\bfoo\\b", "a foo b"),
    ("\\bfoo\\b", "afoo"),
    ("^$", ""),
    ("a|", "zzz"),
    ("(?i)HeLLo", "hello"),
    ("(?i)[A-F]z", "az"),
    ("(?s)a.b", "a\nb"),
    ("a.b", "a\nb"),
    ("(?m)^b$", "a\nb\nc"),
    ("x*", ""),
    ("é.€", "éa€"),
    ("^[\\w.+-]+@\\w+\\.\\w{2,}$", "ann@example.org"),
    ("a{,2}", "a{,2}"),
]


@pytest.mark.parametrize(("pattern", "text"), _MATCHES)
def test_regular_expressions_agree_with_pythons(pattern: str, text: str) -> None:
    theirs = re.compile(pattern.replace("a{,2}", r"a\{,2\}"), re.ASCII).search(text) is not None
    assert value("s matches p", {"s": text, "p": pattern}) is theirs


_ATOMS = st.sampled_from(["a", "b", "\\d", "\\W", ".", "[ab]", "[^a1]", "^", "$", "\\b", "é"])


def _patterns(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    repeated = st.builds("(?:{}){}".format, children, st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{0,}"]))
    return repeated | st.builds("{}{}".format, children, children) | st.builds("({}|{})".format, children, children)


@given(pattern=st.recursive(_ATOMS, _patterns, max_leaves=6), text=st.text("ab1é \n", max_size=6))
def test_any_regular_expression_agrees_with_pythons(pattern: str, text: str) -> None:
    theirs = re.compile(pattern.replace("$", r"\Z"), re.ASCII).search(text) is not None
    assert value("s matches p", {"s": text, "p": pattern}) is theirs


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("^\\p{Lu}\\p{Ll}+$", "Éric", True),
        ("^\\Qa.b\\E$", "a.b", True),
        ("^\\Qa.b\\E$", "axb", False),
        ("(?i)éric", "ÉRIC", True),
        ("^(?<first>[[:alpha:]]+) (?P<last>\\x{e9})$", "ann é", True),
    ],
)
def test_regular_expressions_are_those_of_re2(pattern: str, text: str, expected: bool) -> None:
    assert value("s matches p", {"s": text, "p": pattern}) is expected


def test_bytes_that_are_no_utf_8_are_a_character_each() -> None:
    body = """
    local bytes = 'a\\xe9\\xff'
    return {expr.eval('s matches "^a..$"', {s = bytes}), expr.eval('s matches "^aé"', {s = bytes}), expr.eval('s matches p', {s = 'aé', p = 'a\\xe9'})}
    """
    assert run(body, modules=["expr"]) == [True, True, True]


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        ")",
        "[a",
        "[z-a]",
        "a**",
        "*a",
        "a{1001}",
        "(?=a)",
        "(?<!a)",
        "(a)\\\\1",
        "a\\\\",
        "(?z)",
        "\\\\pQ",
        "(?:.{1000}){1000}",
    ],
)
def test_a_bad_regular_expression_is_refused_where_it_stands(pattern: str) -> None:
    assert refusal(f"s + 'x' matches '{pattern}'").startswith("bad regular expression: ")
    assert answer(f"s + 'x' matches '{pattern}'")["position"] == 17
    assert answer(f"s matches '{pattern}' + ''")["position"] == 3


def test_a_bad_regular_expression_that_stands_there_is_refused_when_it_is_compiled() -> None:
    body = "local program, err = expr.compile([[false and s matches '(']]) return {program == nil, err:kind()}"
    assert run(body, modules=["expr"]) == [True, INVALID]


def test_a_regular_expression_that_explodes_elsewhere_does_not_here() -> None:
    assert value("s matches '^(a+)+$'", {"s": "a" * 200 + "b"}) is False


_LARGE = ".{0,1000}.{0,1000}x"  # many states at once, so that the host may be busy with every byte


@pytest.mark.parametrize(
    "body",
    [
        f"return expr.eval([[s matches '{_LARGE}']], {{s = string.rep('ab', 20000)}})",
        f"for i = 1, 1000 do expr.eval([[s matches '{_LARGE}']], {{s = ''}}) end",
        r"for i = 1, 1000 do expr.eval([[s matches `\pL{1000}`]], {s = ''}) end",
    ],
)
def test_regular_expressions_are_under_the_budget(body: str) -> None:
    error = fail(body, modules=["expr"])
    assert (error.kind, (error.details or {})["limit"]) == (LIMIT_EXCEEDED, "instructions")


def test_a_long_text_may_be_searched_by_a_usual_expression() -> None:
    text = "word " * 100_000
    assert value("s matches '^[a-z]+( [a-z]+)* $'", {"s": text}) is True


# Properties -----------------------------------------------------------------------------------------------------------------

_PIECES = st.sampled_from(
    [*"()[]{}.,:;#|?!<>=+-*/%^$ '\"`\\", "??", "?.", "..", "**", "in", "not", "and", "or", "matches", "let x =", "a", "s",
     "list", "users", "filter(", "map(", "sum(", "1", "2.5", "'x'", "nil", "true", "é", "\n", "//", "/*", "0x", "#acc"]
)  # fmt: skip

_NEVER_RAISES = """
local text, env = ...
local value, err = expr.eval(text, env)
return {err == nil or err:kind() == 'Invalid', err == nil or value == nil}
"""


@given(text=st.lists(_PIECES, max_size=25).map("".join) | st.text(max_size=40))
def test_any_text_has_a_value_or_is_invalid(text: str) -> None:
    assert run(_NEVER_RAISES, text, ENV, modules=["expr"]) == [True, True]


_NUMBERS = st.integers(-1000, 1000) | st.floats(-1e6, 1e6, allow_nan=False).map(lambda number: round(number, 3))


_Tree = tuple[str, float | int]
_APPLY: dict[str, Callable[[Any, Any], Any]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}


def _combined(left: _Tree, symbol: str, right: _Tree) -> _Tree:
    return f"({left[0]} {symbol} {right[0]})", _APPLY[symbol](left[1], right[1])


def _trees(children: st.SearchStrategy[_Tree]) -> st.SearchStrategy[_Tree]:
    return st.builds(_combined, children, st.sampled_from("+-*"), children)


@given(tree=st.recursive(_NUMBERS.map(lambda number: (repr(number), number)), _trees, max_leaves=8))
def test_arithmetic_agrees_with_pythons(tree: _Tree) -> None:
    text, expected = tree
    if isinstance(expected, int) and not -(2**63) <= expected < 2**63:
        expected = (expected + 2**63) % 2**64 - 2**63
    found = answer(text)
    assert found["integer"] is isinstance(expected, int)
    assert found["value"] == expected


@given(a=st.integers(-(10**9), 10**9), b=st.integers(-(10**9), 10**9).filter(bool))
def test_division_agrees_with_pythons(a: int, b: int) -> None:
    assert value("[a / b, a % b]", {"a": a, "b": b}) == [a / b, math.fmod(a, b)]


@given(items=st.lists(st.integers(-100, 100), max_size=8), low=st.integers(-10, 10), high=st.integers(-10, 10))
def test_slices_agree_with_pythons(items: list[int], low: int, high: int) -> None:
    assert value("items[low:high]", {"items": items, "low": low, "high": high}) == items[low:high]


def test_a_replay_evaluates_alike() -> None:
    virtual = host(
        main("time.sleep('1s') return expr.eval('map(keys(m), # + string(m[#]))', {m = ...})"), modules=["expr", "time"]
    )
    assert virtual.run({"b": 1, "a": 2}) == ["a2", "b1"]
    virtual.replay()
    virtual.close()


def test_an_expression_may_not_be_longer_than_64_kib() -> None:
    with pytest.raises(Error, match="longer than 65536 bytes"):
        run("return expr.eval(string.rep(' ', 70000))", modules=["expr"])
