"""What libyaml is asked, PyYAML says as well: values, tags and places are the same, and whatever one of them refuses PyYAML decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from runtime.registry import yamlfile, yamlloaders

ROOT = Path(__file__).parents[2]
FILES = [*ROOT.glob("config/*.yaml"), *ROOT.glob("bench/entries/*.yaml"), *ROOT.glob("entries/approvals/*.yaml")]
PIECES = (
    "a", "b: ", "- ", "\n", "  ", "    ", "{", "}", "[", "]", ", ", ": ", ":", "? ", "|\n", ">\n", '"x"', "'y'", "&a ", "*a",
    "!!str ", "# c\n", " #", "~", "<<: ", "\t", "---\n", "...\n", "%YAML 1.1\n", "1", "0x", "1e3", "no", "\r\n", "-", "!",
    "é", "\u2028", "\x85", "\ufeff", "\x00", '"\\n"', '"\\x41"', "''", "|-\n", ">+2\n", "null", "@", "`", '"', "'", "http://x",
    "a:b", ":a", "- - x", "a:\n- b\n", '"a\n b"', "[a: b]", "{a}", "{a:}", "a" * 1030,
)  # fmt: skip


def told(node: yaml.Node | None) -> Any:
    """A node with all below it and the line of each. No alias is followed twice: a node may hold itself."""
    seen: dict[int, int] = {}

    def tell(node: Any) -> Any:
        if isinstance(node, tuple | list):
            return [tell(item) for item in node]
        if id(node) in seen:
            return seen[id(node)]
        seen[id(node)] = len(seen)
        value = node.value if isinstance(node, yaml.ScalarNode) else tell(node.value)
        return (type(node).__name__, node.tag, node.start_mark.line, value)

    return tell(node)


def agree(text: str) -> None:
    quick = yamlloaders.quick_node(text)
    if quick is not None:
        assert told(quick) == told(yaml.compose(text, Loader=yamlloaders.Loader))


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=14).map("".join))
def test_the_two_parsers_agree_on_any_text(text: str) -> None:
    agree(text)


@given(st.sampled_from(FILES), st.data())
def test_the_two_parsers_agree_on_damaged_files(path: Path, data: st.DataObject) -> None:
    text = path.read_text()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.sampled_from(PIECES)) + text[at + data.draw(st.integers(0, 2)) :]
    agree(text)


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML was built without libyaml")
def test_a_registry_is_read_by_libyaml() -> None:
    text = (ROOT / "config/registry.yaml").read_text()
    quick = yamlloaders.quick_node(text)
    assert quick is not None
    assert told(quick) == told(yaml.compose(text, Loader=yamlloaders.Loader))


@pytest.mark.parametrize("text", ["a: [", "a: 1\n b: 2", "[" * 61 + "]" * 61, "- " * 61 + "a", "5", ""])
def test_what_libyaml_refuses_is_for_pyyaml_to_say(text: str) -> None:
    assert yamlloaders.quick_node(text) is None


def test_levels_are_counted_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["[" * 60 + "]" * 60, "[" * 61 + "]" * 61, "- " * 60 + "a", "a: &x [*x]\n", "a: {b: [c: d]}\n"]
    quick = [yamlfile.read(text) for text in texts]
    monkeypatch.setattr("runtime.registry.yamlfile.quick_node", lambda text: None)
    assert quick == [yamlfile.read(text) for text in texts]
