"""`pairs` and `next` against a reference, whatever the table holds and whatever happens to it meanwhile."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import fail, run

Key = int | float | str | bool


def literal(key: Key) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return json.dumps(key, ensure_ascii=False) if isinstance(key, str) else repr(key)


def text(key: Key) -> str:
    return literal(key) if isinstance(key, bool) else str(key)


def rank(key: Key) -> tuple[int, Any]:
    if isinstance(key, bool):
        return (2, key)
    return (1, key.encode()) if isinstance(key, str) else (0, key)


def ordered(keys: list[Key]) -> list[Key]:
    """1..n, then other numbers, strings, booleans."""
    distinct = {(type(key) is bool, key): key for key in keys}.values()
    n = 0
    while any(key == n + 1 and not isinstance(key, bool) for key in distinct):
        n += 1
    rest = [key for key in distinct if not (type(key) is int and 1 <= key <= n)]
    return [*range(1, n + 1), *sorted(rest, key=rank)]


keys = st.lists(
    st.one_of(
        st.integers(1, 6),
        st.integers(-3, 40),
        st.sampled_from([-0.5, 1.5, 2.5, 1e300]),
        st.text("abcé", max_size=3),
        st.booleans(),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(keys, st.booleans())
def test_every_way_to_walk_visits_the_same(keys: list[Key], with_metatable: bool) -> None:
    fill = "".join(f"t[{literal(key)}] = {i} " for i, key in enumerate(keys))
    body = f"""
    local t = {{}} {fill}
    {"setmetatable(t, {__index = function() return 'none' end})" if with_metatable else ""}
    local by_pairs, by_next, by_hand = {{}}, {{}}, {{}}
    for k, v in pairs(t) do by_pairs[#by_pairs + 1] = tostring(k) assert(v == t[k]) end
    for k, v in next, t do by_next[#by_next + 1] = tostring(k) assert(v == t[k]) end
    local f, s, k = pairs(t)
    assert(s == t and k == nil)
    while true do
      k = f(s, k)
      if k == nil then break end
      by_hand[#by_hand + 1] = tostring(k)
    end
    return {{by_pairs, by_next, by_hand}}
    """
    expected = [text(key) for key in ordered(keys)]
    assert [list(found or []) for found in run(body)] == [expected] * 3


@settings(max_examples=25, deadline=None)
@given(keys, st.lists(st.tuples(st.integers(0, 8), st.integers(0, 12)), max_size=6))
def test_what_is_removed_before_its_turn_is_not_visited(keys: list[Key], removals: list[tuple[int, int]]) -> None:
    """At the visit of so many keys before, the key at another place is removed."""
    order = ordered(keys)
    plan = [(at, order[victim]) for at, victim in removals if victim < len(order)]
    fill = "".join(f"t[{literal(key)}] = {i} " for i, key in enumerate(keys))
    steps = "".join(f"if n == {at} then t[{literal(victim)}] = nil end " for at, victim in plan)
    body = f"local t, seen, n = {{}}, {{}}, 0 {fill} for k in pairs(t) do seen[#seen + 1] = tostring(k) {steps} n = n + 1 end return seen"
    expected: list[str] = []
    gone = set[tuple[bool, Key]]()
    for key in order:
        if (type(key) is bool, key) in gone:
            continue
        gone |= {(type(victim) is bool, victim) for at, victim in plan if at == len(expected)}
        expected.append(text(key))
    assert list(run(body) or []) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("local t = {1, 2, a = 1} for k in pairs(t) do add(k) t.b = 1 end", "1 2 a b"),
        ("local t = {a = 1, b = 1} for k in pairs(t) do add(k) t.c = 1 end", "a b"),
        ("local t = {a = 1} for k in pairs(t) do add(k) t.b = 1 end", "a"),
        ("local t = {1, 2} for k in pairs(t) do add(k) if k < 5 then t[k + 2] = 1 end end", "1 2 3 4 5 6"),
        ("local f, t = pairs({}) t.b, t.a = 1, 1 for k in f, t do add(k) end", "a b"),
        ("local f, t = pairs({b = 1, c = 1}) t.a, t[1] = 1, 1 for k in f, t do add(k) end", "1 a b c"),
        ("local f = pairs({}) for k in f, {b = 1, a = 1} do add(k) end", "a b"),
        ("local f = pairs({x = 1, y = 1}) for k in f, {b = 1, a = 1} do add(k) end", "a b"),
        (
            "local t = {1, 2, 3, a = 1} for k in next, t do if k == 'a' then break end end for k in next, t do add(k) end",
            "1 2 3 a",
        ),
        ("local t = {a = 1, b = 1} for k in next, t do add(k) for j in pairs(t) do add(j) end end", "a a b b a b"),
        ("local t, u = {a = 1, b = 1}, {x = 1} for k in next, t do add(k) t[k] = nil assert(next(u)) end", "a b"),
        ("local t = {a = 1, b = 1} for k in next, t do add(k) t[k] = nil next({x = 1, y = 1}) end", "a b"),
        (
            "local t, u = {a = 1, b = 1}, {x = 1, y = 1} for k in next, t do add(k) t[k] = nil for j in next, u do add(j) end end",
            "a x y b x y",
        ),
        (
            "local t = {a = 1, b = 1} for k in next, t do add(k) t[k] = nil for i = 1, 200 do next({x = 1, y = i}) end end",
            "a b",
        ),
        (
            "local t, walks = {a = 1, b = 1, c = 1, d = 1}, {} for i = 1, 2 do walks[i] = coroutine.wrap(function()"
            " for k in next, t do t[k] = nil coroutine.yield(k) end return 'end' end) end"
            " for i = 1, 3 do add(walks[1]()) add(walks[2]()) end",
            "a b c d end end",
        ),
        (
            "local walks = {} for i = 1, 40 do walks[i] = coroutine.wrap(function() local t = {a = 1, b = 1, c = 1}"
            " for k in next, t do t[k] = nil coroutine.yield(k) end return 'end' end) end"
            " for n = 1, 4 do local text = '' for i = 1, 40 do text = text .. walks[i]() end add(text) end",
            f"{'a' * 40} {'b' * 40} {'c' * 40} {'end' * 40}",
        ),
        ("local t = {[2] = 1, [1] = 1, [0] = 1, [-1] = 1, [3.5] = 1} for k in pairs(t) do add(k) end", "1 2 -1 0 3.5"),
    ],
)
def test_changes_meanwhile(body: str, expected: str) -> None:
    assert (
        run(f"local seen = {{}} local function add(k) seen[#seen + 1] = tostring(k) end {body} return seen")
        == expected.split()
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("for k in pairs(nil) do end", "bad argument #1 to 'for iterator' (table expected, got nil)"),
        ("for k in pairs(5) do end", "bad argument #1 to 'for iterator' (table expected, got number)"),
        ("next('x')", "bad argument #1 to 'next' (table expected, got string)"),
        ("next(time.now())", "cannot iterate a Time"),
        ("next({a = 1, b = 1}, 'c')", "invalid key to 'next'"),
        ("for k in pairs({[{}] = 1, [{}] = 2, a = 1}) do end", "cannot iterate: the table has several keys"),
        ("for k in next, {[print] = 1, [{}] = 2} do end", "cannot iterate: the table has several keys"),
    ],
)
def test_misuse_names_the_line(body: str, message: str) -> None:
    assert fail(f"\n{body}").message.startswith(f"script.lua:3: {message}")
