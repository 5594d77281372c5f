from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.http.body import MAX_DEPTH, JsonBody, parse
from runtime.http.problem import ProblemResponse
from runtime.payload import JSON, Payload


def body(text: str) -> JsonBody:
    data = text.encode()
    return JsonBody(Payload(JSON, data), parse(data))


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"NaN",
        b'{"a": Infinity}',
        b"-Infinity",
        b"1e999",
        b'"\xff"',
        b"\xff\xfe1\x00",
        b'"\\ud800"',
        b'{"\\udfff": 1}',
        b"[1,]",
        b"[" * 100_000,
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b"1" * 10_000,
        b" ",
    ],
    ids=lambda data: repr(data[:12]),
)
def test_what_is_not_strict_json_is_400(data: bytes) -> None:
    with pytest.raises(ProblemResponse) as refused:
        parse(data)
    assert refused.value.status == 400


def test_the_deepest_value_allowed_is_accepted() -> None:
    assert parse(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a":1,"b":[1.0,2]}', ' { "b" : [1, 2.00], "a" : 1e0 } '),
        ('"é"', '"\\u00e9"'),
        ("[0.1]", "[1e-1]"),
        ("0", "-0.0"),
    ],
)
def test_equal_values_have_equal_digests_however_they_are_spelt(one: str, other: str) -> None:
    assert body(one).digest() == body(other).digest()


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", '"1"'), ("true", "1"), ("[1,2]", "[2,1]"), ("{}", "[]"), ("null", "false"), ('{"a":null}', "{}")],
)
def test_different_values_have_different_digests(one: str, other: str) -> None:
    assert body(one).digest() != body(other).digest()


def test_no_body_is_not_null() -> None:
    assert JsonBody(None, None).digest() != body("null").digest()
    assert JsonBody(None, None).args == []


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner), max_leaves=20)
)
def test_what_our_own_payloads_hold_is_accepted(value: object) -> None:
    payload = Payload.of(value)
    assert parse(payload.data) == value
