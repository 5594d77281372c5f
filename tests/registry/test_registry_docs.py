"""docs/registry.md lists every kind; each has a page that names every field with its default; what they show loads."""

from __future__ import annotations

import re

import pytest

from runtime.registry import Entry
from runtime.registry.kinds import KINDS, MODELS
from tests.docs.pages import ROOT, Block, blocks
from tests.registry.kind_fields import rows
from tests.registry.support import Files


def page_of(kind: str) -> str:
    return f"docs/kinds/{kind}.md"


DOCS = "docs/registry.md"
TEXT = (ROOT / DOCS).read_text(encoding="utf-8")
PAGES = {path.name.removesuffix(".md") for path in (ROOT / "docs" / "kinds").iterdir()}
EXAMPLES = [
    block for page in (DOCS, *(page_of(kind) for kind in sorted(KINDS))) for block in blocks(page) if block.language == "yaml"
]  # fmt: skip


def listed(kind: str) -> list[tuple[str, str]]:
    """The fields on the page of a kind, with what it says is their default."""
    text = (ROOT / page_of(kind)).read_text(encoding="utf-8")
    [table] = re.findall(r"^\| field \| default \| meaning \|\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE) or [""]
    return [(path, default.strip("`")) for path, default in re.findall(r"^\| `(.+?)` \| (\S+) \|", table, re.MULTILINE)]


def test_every_kind_has_its_page_and_its_line_in_the_list() -> None:
    assert set(KINDS) == PAGES
    assert [kind for kind in KINDS if f"[`{kind}`](kinds/{kind}.md)" not in TEXT] == []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.KIND)
def test_a_page_names_every_field_and_its_default(model: type[Entry]) -> None:
    fields = [(row.path, row.default) for row in rows(model)]
    shown = [row for row in listed(model.KIND) if row in fields or not row[0].startswith("meta.")]
    assert shown == fields


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.KIND)
def test_a_page_shows_an_entry_of_its_kind(model: type[Entry], files: Files) -> None:
    [example] = [block for block in blocks(page_of(model.KIND)) if block.language == "yaml"]
    assert any(entry.kind == model.KIND for entry in loaded(files, example).values())


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_every_example_loads(files: Files, example: Block) -> None:
    assert loaded(files, example)


def loaded(files: Files, example: Block) -> dict[str, Entry]:
    scripts = dict.fromkeys(re.findall(r"file://([\w./]+)", example.text), "return {}")
    modules = {
        f"{module.replace('.', '/')}.py": f"def {name}(): ..."
        for module, name in re.findall(r"py://([\w.]+):(\w+)", example.text)
    }
    return dict(files.load(example.text, {**scripts, **modules}).entries)
