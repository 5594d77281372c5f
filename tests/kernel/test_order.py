"""`pairs` and `next` visit in one order, whatever the interpreter's hash seed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import Error
from tests.support import fail, run


def test_the_order() -> None:
    body = """
    local t = {10, 20, [0] = 1, [-3] = 1, [2.5] = 1, b = 1, a = 1, [true] = 1, [false] = 1, [5] = 1}
    local keys = {}
    for k in pairs(t) do keys[#keys + 1] = tostring(k) end
    return table.concat(keys, ' ')
    """
    assert run(body) == "1 2 -3 0 2.5 5 a b false true"


def test_next_by_hand_visits_the_same() -> None:
    body = """
    local t = {10, 20, [0] = 1, b = 1, a = 1, [9] = 2}
    local keys, k = {}, nil
    while true do
      k = next(t, k)
      if k == nil then break end
      keys[#keys + 1] = tostring(k)
    end
    local again = {}
    for key in next, t do again[#again + 1] = tostring(key) end
    return {table.concat(keys, ' '), table.concat(again, ' '), next({}) == nil, (next({x = 1}))}
    """
    assert run(body) == ["1 2 0 9 a b", "1 2 0 9 a b", True, "x"]


def test_interleaved_next() -> None:
    body = """
    local t, u = {a = 1, b = 2, c = 3}, {x = 1, y = 2}
    local k = next(t) next(u) local u2 = next(u, 'x') local k2 = next(t, k) return {k, k2, u2, (next(t, k2))}
    """
    assert run(body) == ["a", "b", "y", "c"]


def test_removing_while_iterating() -> None:
    assert run(
        "local t, n = {1, 2, 3, a = 1, b = 2}, 0 for k in pairs(t) do t[k] = nil n = n + 1 end return {n, next(t) == nil}"
    ) == [5, True]


def test_removing_what_comes_next() -> None:
    body = "local t, seen = {1, 2, 3}, {} for k in pairs(t) do seen[#seen + 1] = k t[2] = nil end return seen"
    assert run(body) == [1, 3]


def test_pairs_honours_its_metamethod() -> None:
    body = """
    local t = setmetatable({}, {__pairs = function(t) return function(_, k) if not k then return 1, 'one' end end, t, nil end})
    for k, v in pairs(t) do return {k, v} end
    """
    assert run(body) == [1, "one"]


def test_keys_without_an_order_raise_and_name_the_line() -> None:
    error = fail("local t = {[{}] = 1, [{}] = 2}\nfor k in pairs(t) do end")
    assert error.message.startswith("script.lua:3: cannot iterate")
    assert run("local k = {} for key in pairs({[k] = 1}) do return key == k end") is True


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(max_size=6).filter(lambda s: "\0" not in s), st.integers(-5, 5), max_size=20))
def test_strings_are_visited_bytewise(table: dict[str, int]) -> None:
    keys = run("local keys = {} for k in pairs(...) do keys[#keys + 1] = k end return keys", table)
    assert keys == sorted(table, key=lambda key: key.encode())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=90, max_size=400))
def test_sorting_is_stable_beyond_luas_own_reach(numbers: list[int]) -> None:
    """Equal elements keep their order where Lua's own sort would roll a die; below that it is Lua's own, unstable one."""
    body = """
    local items = {}
    for i, n in ipairs(...) do items[i] = {key = n, at = i} end
    table.sort(items, function(a, b) return a.key < b.key end)
    local keys, at = {}, {}
    for i, item in ipairs(items) do keys[i], at[i] = item.key, item.at end
    return {keys, at}
    """
    keys, at = run(body, numbers)
    assert keys == sorted(numbers)
    if len(numbers) > 100:
        assert at == [i + 1 for i in sorted(range(len(numbers)), key=lambda i: numbers[i])]


def test_sorting_large_arrays_of_every_kind() -> None:
    body = """
    local ints, floats, words = {}, {}, {}
    for i = 1, 500 do ints[i] = (i * 7919) % 500 floats[i] = ints[i] + 0.5 words[i] = string.format('%03d', ints[i]) end
    table.sort(ints) table.sort(floats) table.sort(words, function(a, b) return a > b end)
    local ok = pcall(table.sort, {[200] = 1, table.unpack(ints)}, nil)
    for i = 2, 500 do assert(ints[i - 1] < ints[i] and floats[i - 1] < floats[i] and words[i - 1] > words[i]) end
    ints[250] = 'x'
    local _, err = pcall(table.sort, ints)
    return {ints[1], floats[1], words[1], (err:gsub('^.-: ', ''))}
    """
    result = run(body)
    assert result[:3] == [0, 0.5, "499"]
    assert "attempt to compare" in result[3]


def test_what_iteration_costs_does_not_depend_on_the_hash() -> None:
    body = """
    local t = {}
    for i = 1, 300 do t['k' .. i] = i t[i + 0.5] = i end
    local n = 0
    for _ = 1, 5 do for k in pairs(t) do n = n + 1 end end
    return n
    """

    def passes(limit: int) -> bool:
        try:
            return bool(run(body, instructions=limit) == 3000)
        except (Error, AssertionError):  # also a replay that needs a few comparisons more than there are left
            return False

    low, high = 1000, 1_000_000
    while high - low > 1000:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    assert {passes(high + 1000) for _ in range(12)} == {True}
    assert {passes(low - 1000) for _ in range(12)} == {False}
