"""docs/registry.md has every kind and field, and what it shows loads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from runtime.registry import Entry
from runtime.registry.kinds import MODELS, NOT_YET
from runtime.registry.problems import DOCS, anchor
from tests.registry.support import Files

TEXT = (Path(__file__).parents[2] / DOCS).read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
EVERYWHERE = {"name", "kind", "meta", "place", "temporal_namespace"}


def section(kind: str) -> str:
    [found] = re.findall(rf"^## `{re.escape(kind)}`\n(.*?)(?=^##? |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    return str(found)


def fields(model: type[BaseModel]) -> Iterator[str]:
    for name, info in model.model_fields.items():
        if name in EVERYWHERE:
            continue
        yield info.alias or name
        for part in (info.annotation, *get_args(info.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel) and name != "lifecycle":
                yield from fields(part)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.KIND)
def test_every_field_of_a_kind_is_in_its_section(model: type[Entry]) -> None:
    lifted = {lift.field: ".".join(lift.path) for lift in model.LIFTS if not lift.direct}
    text = section(model.KIND)
    if "[`function.lua`]" in text:
        text += section("function.lua")
    if "[`workflow.lua`]" in text:
        text += section("workflow.lua")
    wanted = {lifted.get(name, name) for name in fields(model)}
    assert sorted(name for name in wanted if f"`{name}`" not in text) == []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.KIND)
def test_problems_link_to_a_heading(model: type[Entry]) -> None:
    headings = {re.sub(r"[^\w\- ]", "", heading).lower() for heading in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)}
    assert anchor(model.KIND).partition("#")[2] in headings


def test_kinds_to_come_are_named() -> None:
    assert [kind for kind in NOT_YET if f"`{kind}`" not in TEXT] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_loads(files: Files, example: str) -> None:
    scripts = dict.fromkeys(re.findall(r"file://([\w./]+)", example), "return {}")
    modules = {
        f"{module.replace('.', '/')}.py": f"def {name}(): ..."
        for module, name in re.findall(r"py://([\w.]+):(\w+)", example)
    }
    assert files.load(example, {**scripts, **modules}).entries
