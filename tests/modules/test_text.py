"""text: what its page does not show."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import fail
from tests.support import run as run_script


def run(body: str, *args: Any) -> Any:
    return run_script(body, *args, modules=("text",))


def test_matches_and_their_places() -> None:
    body = """local re, s = text.regexp.compile("(a+)(b)?"), "xaab é a"
    return { re:find_all_string(s), re:find_all_string_index(s), re:find_all_string_submatch(s),
      tostring(re:find_string("x")), re:match_string("x"), tostring(re), re:subexp_names() }"""
    assert run(body) == [
        ["aab", "a"], [[2, 4], [9, 9]], [["aab", "aa", "b"], ["a", "a", ""]], "nil", False, "(a+)(b)?", ["", ""],
    ]  # fmt: skip


def test_empty_matches_are_between_characters_only() -> None:
    body = """local empty, many = text.regexp.compile(""), text.regexp.compile("a*")
    return { empty:split("héy"), many:replace_all_string("baac", "x"), empty:split("abc", 2), empty:split("") }"""
    assert run(body) == [["h", "é", "y"], "xbxcx", ["a", "bc"], [""]]


def test_replacements_name_groups() -> None:
    body = "return text.regexp.compile('(?P<k>\\\\w+)=(\\\\w+)'):replace_all_string('a=1 b=2', '${k}$2-$$1$9')"
    assert run(body) == "a1-$1 b2-$1"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("text.regexp.compile('(')", "regular expression: missing )"),
        ("text.regexp.compile('(a)\\\\1')", "regular expression: invalid escape sequence"),
        ("text.regexp.compile(('a'):rep(10001))", "at most 10000 bytes"),
        ("text.regexp.compile('a'):find_string('\\xff')", "the text is not UTF-8 at byte 1"),
        ("text.splitter.recursive{ chunk_size = 5, chunk_overlap = 5 }", "the overlap is smaller than the size"),
        ("text.splitter.recursive{}:split_text('\\xff')", "the text is not UTF-8"),
    ],
)
def test_what_cannot_be_done_is_invalid(call: str, text: str) -> None:
    kind, message = run(f"local _, err = {call} return {{ err:kind(), err:message() }}")
    assert kind == "Invalid"
    assert text in message


def test_other_arguments_raise_at_the_caller_s_line() -> None:
    assert fail("text.regexp.compile(7)", modules=("text",)).message.startswith("script.lua:2: bad argument #1")


@pytest.mark.parametrize(
    ("options", "text", "pieces"),
    [
        ("chunk_size = 10, chunk_overlap = 3", "one two three four six", ["one two", "two three", "four six"]),
        ("chunk_size = 4, chunk_overlap = 1", "abcdefgh", ["abcd", "defg", "gh"]),
        ("chunk_size = 3, chunk_overlap = 0", "éééé", ["ééé", "é"]),
        ("chunk_size = 8, chunk_overlap = 0", "a\\n\\nbb\\n\\n" + "x" * 10, ["a\n\nbb", "xxxxxxxx", "xx"]),
        (
            "chunk_size = 6, chunk_overlap = 0, keep_separator = true, separators = { '.' }",
            "one.two.six",
            ["one", ".two", ".six"],
        ),
        ("", "", []),
    ],
)
def test_pieces(options: str, text: str, pieces: list[str]) -> None:
    assert run(f'return text.splitter.recursive{{ {options} }}:split_text("{text}")') == pieces
