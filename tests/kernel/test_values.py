"""Values at a boundary: what keeps its form, and what is refused with the path to it."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import INVALID
from runtime.payload import Payload
from tests.support import fail, host, main, run

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)


def without_null_fields(value: object) -> object:
    """A null in an object is an absent key."""
    if isinstance(value, dict):
        return {key: without_null_fields(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_null_fields(item) for item in value]
    return value


def same(a: object, b: object) -> bool:
    """Equal, with integers and floats told apart, and the sign of zero."""
    if isinstance(a, float) and isinstance(b, float):
        return a == b and math.copysign(1, a) == math.copysign(1, b)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and a == b


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )
)
def test_json_values_come_back_as_they_went(value: object) -> None:
    expected = without_null_fields(value)
    assert same(run("return ...", value), expected)
    assert same(run("return json.decode(json.encode(...))", value), expected)


def test_integers_and_floats_keep_their_subtype() -> None:
    assert run("return {1, 1.0, -0.0, 1e300, 10 / 2, 3 // 1, math.maxinteger, 0.1}") == [
        1,
        1.0,
        -0.0,
        1e300,
        5.0,
        3,
        2**63 - 1,
        0.1,
    ]
    assert run("return {math.type((...)[1]), math.type((...)[2])}", [1, 1.0]) == ["integer", "float"]
    virtual = host(main("return ..."))
    assert virtual.run(1.0) == 1.0
    assert virtual.final is not None
    assert virtual.final.value == Payload("json/plain", b"1.0")
    virtual.close()


def test_integers_beyond_64_bits_become_floats() -> None:
    assert run("return math.type(...)", 2**70) == "float"


def test_empty_tables() -> None:
    assert run("return {}") == []
    assert run("return {a = json.object{}, b = json.array{}, c = {}}") == {"a": {}, "b": [], "c": []}
    assert run("return ...", {"a": {}, "b": []}) == {"a": {}, "b": []}


def test_nulls() -> None:
    assert run(
        "local t = ... return {t.a == nil, t.list[2] == json.null, #t.list}", {"a": None, "list": [1, None, 3]}
    ) == [True, True, 3]
    assert run("return {1, json.null, x}") == [1, None]
    assert run("return nil") is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("{f = print}", "value at f is a function"),
        ("{items = {{}, {co = coroutine.create(print)}}}", "value at items[2].co is a coroutine"),
        ("{[1] = 1, x = 2}", "mixes string keys and array items"),
        ("{a = {[1] = 1, [3] = 3}}", "value at a is a sparse array"),
        ("{[1.5] = 1}", "number outside 1..n"),
        ("{[true] = 1}", "has a key that is a boolean"),
        ("0/0", "is nan"),
        ("{x = math.huge}", "value at x is inf"),
        ("{x = -math.huge}", "value at x is -inf"),
        ("'\\xff'", "not valid UTF-8"),
        ("{['\\xff'] = 1}", "not valid UTF-8"),
        ("{ch = channel.new()}", "value at ch is a channel"),
        ("{['a b'] = {process}}", 'value at ["a b"][1] is a library table'),
    ],
)
def test_refused_values_name_their_path(value: str, text: str) -> None:
    error = fail(f"return {value}")
    assert error.kind == INVALID
    assert text in error.message
    body = f"local v, err = funcs.call('t:f', 1, {value}) return {{v == nil, err:kind(), err:message()}}"
    virtual = host(main(body))
    nothing, kind, message = virtual.run()
    assert (nothing, kind) == (True, INVALID)
    assert message.startswith("argument 2: ")
    assert text in message
    assert virtual.commands == []
    virtual.close()


def test_cycles_and_depth() -> None:
    assert "part of a cycle" in fail("local t = {} t.t = t return t").message
    assert run("local t = {} return {a = t, b = t}") == {"a": [], "b": []}
    deep = "local t = {} local root = t for i = 1, %d do t.t = {} t = t.t end return root"
    assert "nested deeper than 128" in fail(deep % 128).message
    run(deep % 127)


def test_bytes() -> None:
    virtual = host(main("return payload.bytes('\\xff\\0')"))
    assert virtual.run() == b"\xff\0"
    virtual.close()
    virtual = host(main("local m = process.inbox():receive() return {#m:payload():data(), m:payload():get_format()}"))
    virtual.start()
    virtual.send("b", Payload("binary/plain", b"\xff\0"))
    assert virtual.outcome() == [2, "application/octet-stream"]
    virtual.close()


def test_errors_and_times_have_a_form() -> None:
    assert run(
        "return {e = errors.new('Invalid', 'bad'), t = time.unix(0, 0):utc(), d = time.parse_duration('90s')}"
    ) == {
        "e": {"kind": "Invalid", "message": "bad"},
        "t": "1970-01-01T00:00:00Z",
        "d": "1m30s",
    }


def test_a_payload_travels_as_its_value() -> None:
    assert run("return {payload.new({1, 2}), (payload.new('x'))}") == [[1, 2], "x"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1,]",
        "01",
        "1.",
        "nul",
        '"\\x"',
        '"\n"',
        "[1] 2",
        '{"a" 1}',
        "\xff",
        "[" * 200,
        "1e",
        "-",
        "+1",
        "NaN",
    ],
)
def test_bad_json_is_refused(text: str) -> None:
    error = run("local v, err = json.decode(...) return {v == nil, err:kind(), err:retryable()}", text)
    assert error == [True, "Invalid" if text == "" else "Internal", False]


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_decoding_agrees_with_python(text: str) -> None:
    encoded = json.dumps(text)
    assert run("return json.decode(...)", encoded) == json.loads(encoded).encode("utf-16", "surrogatepass").decode(
        "utf-16", "replace"
    )


def test_details_of_an_error_are_its_own() -> None:
    body = """
    local details = {order = {id = 1}}
    details.self = details
    local err = errors.new{message = 'no', details = details}
    details.order.id = 2
    err:details().order.id = 3
    local wrapped = errors.wrap(err, 'again')
    wrapped:details().order.id = 4
    local shown = err:details()
    return {shown.order.id, wrapped:details().order.id, shown.self == shown, shown ~= err:details()}
    """
    assert run(body) == [1, 1, True, True]


def test_a_function_in_a_result_is_named_by_its_path_and_its_line() -> None:
    body = "local order = {}\norder.items = {1, {on_ready = function() end}}\nreturn order"
    assert (
        fail(body).message
        == "result: value at items[2].on_ready is a function (of script.lua:3), which cannot leave the script"
    )


@pytest.mark.parametrize(
    "text",
    ["0", "-0", "7", "-7", "10", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "1" * 19, "-" + "1" * 19,
     "1" * 25, " 7", "7 ", "null", " null", '""', '"plain"', '"caf\\u00e9"'],
)  # fmt: skip
def test_a_value_alone_is_read_as_one_among_others(text: str) -> None:
    alone, among = run("return json.decode(...)", text), run("return json.decode(...)[1]", f"[{text}]")
    assert same(alone, among)
    assert same(alone, run("return ...", json.loads(text))) or abs(float(text)) >= 2**63


@pytest.mark.parametrize(
    "value", ["", "plain ~!", 'a "quoted" word', "back\\slash", "é", "\x7f", "\n", 0, -7, 2**63 - 1, -(2**63)]
)
def test_a_value_alone_is_written_as_one_among_others(value: object) -> None:
    assert run("return json.encode({ (...) })", value) == "[" + run("return json.encode(...)", value) + "]"
