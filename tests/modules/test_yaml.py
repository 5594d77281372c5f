from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import INTERNAL, INVALID, Error
from runtime.modules.yaml import decode, encode
from tests.modules.host_script import run


def read(text: str) -> Any:
    return json.loads(decode(text.encode()))


def test_scalars_follow_the_core_schema() -> None:
    text = "[yes, no, true, ~, null, 010, 0x1f, 0o17, 1.0, 1e3, .5, 1:30, 2026-01-02, '5', .inf_, 12_000]"
    assert read(text) == [
        "yes", "no", True, None, None, 10, 31, 15, 1.0, 1000.0, 0.5, "1:30", "2026-01-02", "5", ".inf_", "12_000"
    ]  # fmt: skip
    assert isinstance(read("1.0"), float)
    assert read("a:") == {"a": None}


def test_mappings_have_text_for_keys_and_may_merge() -> None:
    assert read("base: &b {x: 1}\nitem: {<<: *b, y: 2}\n1: one\ntrue: t") == {
        "base": {"x": 1}, "item": {"x": 1, "y": 2}, "1": "one", "true": "t"
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "[" * 128,
        "a: b: c",
        "a: 1\n---\nb: 2",
        "!!python/object/apply:os.system [x]",
        "\x00",
        "*nobody",
    ],
)
def test_text_that_is_not_yaml_is_internal(text: str) -> None:
    with pytest.raises(Error) as caught:
        read(text)
    assert (caught.value.kind, caught.value.retryable) == (INTERNAL, False)


def bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (bomb(), "more than"),
        ("&a [*a]", "contains itself"),
        ("[" * 129 + "]" * 129, "nested deeper than 128"),
        ("[" * 10_000, "nested deeper than 128"),
        ("a: " + "{[" * 5_000, "nested deeper than 128"),
        ("- " * 10_000, "nested deeper than 128"),
        ("x" * (1024 * 1024 + 1), "longer than"),
        ("[" + "a," * 200_000 + "]", "more than"),
        ("!!set {a}", "a value of the tag !!set at line 1, which JSON has no form for"),
        ("a: 1\nb: !!timestamp " + "1" * 100_000, "a value of the tag !!timestamp at line 2"),
        ("a: !!timestamp 2001-01-01", "a value of the tag !!timestamp at line 1"),
        ("a: !!float " + "1" * 900_000, "a number too large at line 1"),
        ("a: !!float x", "no number at line 1"),
        ("0x" + "f" * 900_000, "a number too long or none at line 1"),
        ("1" * 10_000, "a number too long or none at line 1"),
        ("", "empty"),
        (" \n", "empty"),
    ],
)
def test_text_out_of_bounds_is_invalid(text: str, problem: str) -> None:
    with pytest.raises(Error, match=problem) as caught:
        read(text)
    assert caught.value.kind == INVALID


def test_what_is_as_deep_as_allowed_is_read() -> None:
    deep = "[" * 128 + "]" * 128
    assert str(read(deep)) == deep
    assert read("a: '" + "[" * 5_000 + "'") == {"a": "[" * 5_000}


def test_encoded_text_reads_the_same_anywhere() -> None:
    value = {"text": "yes", "date": "2026-01-02", "n": 1.0, "list": [1, None, {"a": []}], "ü": "line\nline"}
    assert read(encode(json.dumps(value).encode())) == value


async def test_scripts_read_and_write_yaml(tmp_path: Path) -> None:
    body = """
        local v = yaml.decode("a: [1, 2.0, x]\\nb: {}")
        local _, err = yaml.decode("a: [")
        local _, odd = yaml.encode(print)
        return { v, yaml.encode({ b = { 1, 2 }, a = "x" }), err:kind(), odd:kind() }
    """
    value, text, bad, odd = await run(tmp_path, body, modules=["yaml"])
    assert value == {"a": [1, 2.0, "x"], "b": {}}
    assert text == "a: x\nb:\n- 1\n- 2\n"
    assert (bad, odd) == (INTERNAL, INTERNAL)
