"""YAML as definition files read it: values, lines, and every malformed text a fault instead of a crash."""

from __future__ import annotations

import pytest

from runtime.registry import yamlfile


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("no", "no"),
        ("on", "on"),
        ("12", 12),
        ("010", 10),
        ("0x1F", 31),
        ("-1.5e3", -1500.0),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("30s", "30s"),
        ("2024-01-01", "2024-01-01"),
        ("~", None),
        ("''", ""),
        ("'5'", "5"),
        ("!!str 5", "5"),
    ],
)
def test_scalars_are_read_as_yaml_1_2(text: str, value: object) -> None:
    document = yamlfile.read(f"a: {text}\n")
    assert (document.value, document.faults) == ({"a": value}, [])


def test_keys_are_text() -> None:
    assert yamlfile.read("on: 1\n2: 3\ntrue: 4\n").value == {"on": 1, "2": 3, "true": 4}


def test_each_value_has_the_line_of_its_key() -> None:
    document = yamlfile.read("a: 1\nb:\n  c:\n    - x\n    - d: 2\n")
    assert [document.line(path) for path in (("a",), ("b",), ("b", "c", 1, "d"), ("b", "c", 1, "missing"))] == [
        1,
        2,
        5,
        5,
    ]


def test_aliases_and_merges_are_expanded() -> None:
    document = yamlfile.read(
        "base: &b {x: 1, y: 2}\none: *b\ntwo:\n  <<: *b\n  y: 3\nmany: {<<: [{p: 1}, {p: 2, q: 2}]}\n"
    )
    assert document.faults == []
    assert document.value["one"] == {"x": 1, "y": 2}
    assert document.value["two"] == {"x": 1, "y": 3}
    assert document.value["many"] == {"p": 1, "q": 2}


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, '"a" is given twice'),
        ("a: 1\n b: 2\n", 2, "not YAML"),
        ("a: [1\n", 2, "not YAML"),
        ("a: *nope\n", 1, "not YAML"),
        ("a: 1\n---\nb: 1\n", 2, "not YAML"),
        ("a: 1\nb: !!python/object/apply:os.system [ls]\n", 2, "is not supported"),
        ("a: !mine 1\n", 1, "the tag !mine is not supported"),
        ("a:\n  ? [x]\n  : 1\n", 2, "a key must be text"),
        ("a: !!int x\n", 1, "not a value of type int"),
        ("a: 1\nb: \x01\n", 2, "not YAML"),
        ("a: &a [*a]\n", 1, "an alias that holds itself"),
        ("a: &a\n  <<: *a\n", 1, "an alias that holds itself"),
        ("a: {<<: 5}\n", 1, '"<<" takes a mapping'),
        ("[" * 20_000, 1, "nested more than 60 deep"),
        ("a: 1\nb: " + "[" * 61 + "]" * 61, 2, "nested more than 60 deep"),
        ("[\n" * 20_000, 61, "nested more than 60 deep"),
        ("- " * 20_000, 1, "nested more than 60 deep"),
        ("".join(f"{' ' * level}a:\n" for level in range(70)), 60, "nested more than 60 deep"),
        (BOMB, 1, "aliases expand to more than"),
    ],
    ids=range(19),
)
def test_what_cannot_be_read_is_a_fault_at_its_line(text: str, line: int, message: str) -> None:
    [fault] = yamlfile.read(text).faults
    assert message in fault.message
    assert fault.line == line


def test_what_is_as_deep_as_allowed_is_read() -> None:
    document = yamlfile.read("[" * 60 + "]" * 60)
    assert not document.faults
    assert str(document.value) == "[" * 60 + "]" * 60
