"""Patterns: whoever matches says what Lua says, and nothing takes longer than the text allows."""

from __future__ import annotations

import pytest

from runtime.errors import LIMIT_EXCEEDED
from runtime.modules.matching import matches
from tests.kernel.patterns import checks
from tests.support import fail, run

PROSE = "the quick brown fox, key=value; 12345 "
LINES = "name=ann age=42 city=rome 2026-01-02\\n"

EVERYDAY = [
    (PROSE, 'local n = 0 for _ in s:gmatch("(%w+)=(%w+)") do n = n + 1 end return n'),
    (PROSE, 'return #s:match("^%s*(.-)%s*$")'),
    (PROSE, 'return s:find("(%d+)%-(%d+)") or "none"'),
    (PROSE, 'local n = 0 for _ in s:gmatch("(.-)\\n") do n = n + 1 end return n'),
    (PROSE, 'local n = 0 for _ in s:gmatch("([^&=]+)=([^&]*)") do n = n + 1 end return n'),
    (PROSE, 'return s:match("^[%w.]+@[%w.]+%.%a+$") or "none"'),
    (PROSE, 'return #s:gsub("^%s+", ""):gsub("%s+$", "")'),
    (PROSE, 'return s:match("=(%w+);.*$")'),
    (LINES, 'local n = 0 for _ in s:gmatch("(%S+)%s+(%S+)") do n = n + 1 end return n'),
    (LINES, 'return s:match("(%d+)-(%d+)-(%d+)") or "none"'),
    (LINES, 'local n = 0 for _ in s:gmatch("([^\\n]*)\\n?") do n = n + 1 end return n'),
    (LINES, 'return select(2, s:gsub("(%w+)=(%w+)", "%2=%1"))'),
    (LINES, 'local n, p = 0, 1 while p do n, p = n + 1, s:find("\\n", p + 1, true) end return n'),
    ("say 'it' <!-- not - this --> {{name}} ", 'return #s:gsub("<!%-%-.-%-%->", ""):gsub("{{(.-)}}", "<%1>")'),
    ("f(a(b)c) ", 'return #s:gsub("%b()", "") .. " " .. select(2, s:gsub("%f[%w]%w+", "x"))'),
]


@pytest.mark.parametrize("size", [10, 1_000, 50_000, 1_000_000])
@pytest.mark.parametrize(("text", "body"), EVERYDAY)
def test_everyday_patterns_end_well_at_every_size(text: str, body: str, size: int) -> None:
    body = f'local s = ("{text}"):rep({size // len(text) + 1}):sub(1, {size}) {body}'
    ours = run(body)
    if "(.-)\\n" not in body:  # takes plain Lua for ever
        theirs = checks()(b"plain", body.encode())
        assert ours == (theirs.decode() if isinstance(theirs, bytes) else theirs)
    else:
        assert ours == 0


@pytest.mark.parametrize(
    "body",
    [
        'return (("b"):rep(400000)):find("[" .. ("a"):rep(100000) .. "]")',
        'return (("b"):rep(400000)):find("[" .. ("a%w"):rep(3000) .. "]%f[" .. ("-c"):rep(3000) .. "]x")',
        'for _ in (("^"):rep(1000000)):gmatch("^.-x") do end return nil',
        'return (("a"):rep(300000)):find(".-.-b")',
        'return (("a"):rep(300000)):match("a*a*a*b")',
        'return (("x = "):rep(100000)):match("(%w+)%s*=%s*(%w+)%s*;")',
        'return ((" "):rep(500000) .. "x"):match("^(.-)%s*$") == "" or nil',
        'return (("/* "):rep(200000)):match("/%*(.-)%*/")',
        'return ((" "):rep(100000)):find("%s+x%") or ((" "):rep(100000)):match("(%s+x")',
    ],
)
def test_what_takes_lua_for_ever_takes_time_that_grows_with_the_text(body: str) -> None:
    assert run(body) is None


@pytest.mark.parametrize(
    "body",
    [
        'return (("("):rep(300000)):find("%b()")',
        'return (("a"):rep(30000)):find("(a*)(a*)%1b")',
        'return (("a"):rep(30000)):find(("a?"):rep(24) .. "%f[b]")',
        'local s = (("ab"):rep(500000)) while true do s:match("a-b-x") end',
        'local s = (("a"):rep(500)) while true do s:find("a-a-b") end',
        'local s, p = ("x"):rep(1000), ("y"):rep(100000) while true do s:match(p) end',
    ],
)
def test_what_nobody_can_do_quickly_ends_by_the_budget(body: str) -> None:
    error = fail(body, instructions=2_000_000)
    assert error.kind == LIMIT_EXCEEDED
    assert (error.details or {})["limit"] == "instructions"


@pytest.mark.parametrize("name", [b"find", b"match", b"gmatch", b"gsub"])
@pytest.mark.parametrize(
    "pattern", [b"=", b"(%w+)=(%d+)", b"^(.-)%s*$", b"(.-);.*x", b"[^%z]-[^%z]-x", b"%b()", b"(;)%1.-.-x", b"a" * 1200]
)
def test_what_is_remembered_does_not_show_in_the_count(name: bytes, pattern: bytes) -> None:
    """The second time takes as many instructions as the first, so a question of a query, say, changes nothing."""
    for size in (1, 20, 2000):
        first, second = checks()(b"cost", name, b"key=value; " * size, pattern)
        assert first == second


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("[a", "malformed pattern (missing ']')"),
        ("a%", "malformed pattern (ends with '%')"),
        ("%b(", "malformed pattern (missing arguments to '%b')"),
        ("%f", "missing '[' after '%f' in pattern"),
        ("(a", "unfinished capture"),
        ("a)", "invalid pattern capture"),
        ("%1", "invalid capture index %1"),
        ("()" * 33, "too many captures"),
    ],
)
def test_malformed_patterns_are_named_as_lua_does(pattern: str, message: str) -> None:
    for text in ("aaa", "a" * 100_000):
        assert message in fail(f'return (("{text}"):match("{pattern}"))').message
    assert checks()(b"case", b"match", b"aaa", pattern.encode(), None, b"", None) is None


@pytest.mark.parametrize("letter", "acdglpsuwxz")
def test_the_classes_are_luas(letter: str) -> None:
    assert checks()(b"class", letter.encode()) is True


@pytest.mark.parametrize("pattern", [b"^", b"^^a", b"^a*", b"^.-x", b"^$", b"^()"])
def test_an_anchor_is_a_character_in_gmatch(pattern: bytes) -> None:
    for name in (b"gmatch", b"find", b"gsub"):
        assert checks()(b"case", name, b"^^a ^ax^", pattern, None, b"<%0>", None) is None


def test_an_answer_of_the_host_is_bounded_and_goes_on_where_it_ended() -> None:
    first = matches(b"aXbXc", b"[X]*", 0, -1, 2, False)
    assert len(first) == 2 * 8
    assert matches(b"aXbXc", b"[X]*", 2, 2, 9, False) == matches(b"aXbXc", b"[X]*", 0, -1, 9, False)[len(first) :]


def test_no_text_is_kept_alive() -> None:
    body = 'for i = 1, 6 do local s = ("ab "):rep(500000) .. i s:find("(b+)=(a+)%s") end return 1'
    assert run(body, memory=6 * 1024 * 1024, instructions=200_000_000) == 1
