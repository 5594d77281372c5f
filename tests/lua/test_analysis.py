"""What the analysis of a script says of it: what it names, and what it returns."""

from __future__ import annotations

import pytest

from runtime.lua.analysis import Function, Named, analysed, calls, powers, reads, returns, texts, writes


def compiled(source: str) -> Function:
    return analysed(source, "x.lua")


def test_constants_are_read_as_they_were_written() -> None:
    long = "y" * 300
    source = f"local t = {{ 2^53 + 0.5, 123456789012, -7.25e300, 'short', '{long}', 'é', '' }} return t[1] == false, t"
    constants = compiled(source).constants
    assert {123456789012, -7.25e300, "short", long, "é", ""} <= set(constants)
    assert all(type(value) in (int, float, str, bool, type(None)) for value in constants)
    kinds = compiled("local t = {} t.a = true t.b = false t.c = nil t.d = 1e15 t.e = 1 << 40").constants
    assert [value for value in kinds if not isinstance(value, str)] == [True, False, None, 1e15, 1 << 40]
    assert [type(value) for value in kinds if not isinstance(value, str)] == [bool, bool, type(None), float, int]


def test_negative_integers_are_read() -> None:
    assert -7_000_000_000 in compiled("return x + -7000000000").constants


def test_text_that_is_not_utf8_is_read_all_the_same() -> None:
    assert "\ufffd" in texts(compiled("return '\\255'"))


def test_functions_are_found_inside_functions() -> None:
    main = compiled("local function a() local function b() end local function c() end end local d = function() end")
    assert len(main.inner) == 2
    assert len(main.inner[0].inner) == 2
    assert [function is main for function in main.all()] == [True, False, False, False, False]


def test_globals_that_are_read_have_their_lines_and_first_field() -> None:
    source = """local x = one
      local y = two.field
      local z = three.a.b
      four("text", five)
      six.go("text")
      local f = function()
        return seven, x.y
      end
      local e = _ENV
      return e.eight"""
    assert list(reads(compiled(source))) == [
        Named(("one",), 1),
        Named(("two", "field"), 2),
        Named(("three", "a"), 3),
        Named(("four",), 4, "text"),
        Named(("five",), 4),
        Named(("six", "go"), 5),
        Named(("seven",), 7),
    ]


def test_a_local_named_env_is_no_global_scope() -> None:
    assert list(reads(compiled("local x = {} local function f() return x.y end return f"))) == []
    assert [named.path for named in reads(compiled("local x local function f() return x.y, z.u end return f"))] == [
        ("z", "u")
    ]


def test_the_field_of_another_value_is_not_taken_for_the_global_s() -> None:
    [named] = reads(compiled("local t = {} local a, b = one, t.field"))
    assert named == Named(("one",), 1)


def test_lines_are_right_where_they_are_far_apart() -> None:
    source = "a()" + "\n" * 500 + "b()" + "\n" * 3 + "c()\n" + "d()\n" * 300
    lines = [(named.path[0], named.line) for named in reads(compiled(source))]
    assert lines[:4] == [("a", 1), ("b", 501), ("c", 504), ("d", 505)]
    assert lines[-1] == ("d", 804)
    [*_, last] = reads(compiled("local function f()\n\n\n" + "local x = 1\n" * 200 + "return y\nend"))
    assert last.line == 204


def test_globals_that_are_set() -> None:
    source = "one = 1 two.x = 2 local three = 3 function four() five = 5 end local t = {} t.six = 6 three = 7"
    assert writes(compiled(source)) == {"one", "four", "five"}
    assert writes(compiled("local up = {} function f() up.x = 1 end")) == {"f"}


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("local p = process\np.call('a:b', 1)", [Named(("call",), 2, "a:b")]),
        ("local p = {} p:call('a:b')", [Named(("call",), 1, "a:b")]),
        ("process.call('a:b')", [Named(("call",), 1, "a:b")]),
        ("local p = {} local function f() p.call('a:b') end", [Named(("call",), 1, "a:b")]),
        ("local p = {} local function f() return p.call, p:go('c:d') end", [Named(("go",), 1, "c:d")]),
        ("local p = {} p.call(x, 'a:b')", []),
        ("local p = {} p.call(7)", []),
        ("local p = {} p.call()", []),
        ("call('a:b')", []),
    ],
)
def test_calls_with_a_text_first(source: str, named: list[Named]) -> None:
    assert list(calls(compiled(source))) == named


def test_powers_that_are_no_squares() -> None:
    source = "local a, b = 1, 2\nlocal c = a ^ b\nlocal d = a ^ 2\nlocal e = a ^ 3\nlocal f = a ^ 0.5\nlocal function g()\nreturn a ^ 4 end"
    assert list(powers(compiled(source))) == [2, 4, 5, 7]


def test_texts_are_names_and_literals_of_all_functions() -> None:
    assert texts(compiled("one.two = 'three' local function f() return 'four', 5 end")) >= {
        "one",
        "two",
        "three",
        "four",
    }
    assert 5 not in texts(compiled("return 5.5, 5"))  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(
    ("source", "given"),
    [
        ("", "nothing"),
        ("local x = 1", "nothing"),
        ("f()", "nothing"),
        ("return", "nothing"),
        ("return function() end", "function"),
        ("local f = function() end return f", "function"),
        ("local function main() end return main", "function"),
        ("local function main() end f() return main", None),
        ("return {}", "table"),
        ("return { main = function() end }", "table"),
        ("local M = {} function M.main() end return M", "table"),
        ("local M = {} M.a = 1 M.b = 2 return M", "table"),
        ("local M = {} f(M) return M", None),
        ("local M = {} M[x] = 1 return M", None),
        ("local M = {} local function f(k) M[k] = 1 end return M", None),
        ("local M = {} local function f(t, k) t[k] = 1 end return M", None),
        ("return f()", None),
        ("return x", None),
        ("return 1", None),
        ("return 1, 2", None),
        ("if x then return {} end return function() end", None),
        ("local M = f() return M", None),
        ("local M = setmetatable({}, {}) return M", None),
        ("f() local M = {} return M", "table"),
    ],
)
def test_what_a_chunk_returns(source: str, given: str | None) -> None:
    assert returns(compiled(source)) == given
