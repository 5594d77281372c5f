"""Every field of a definition is read: one that no code reads is a promise of its page that nobody keeps."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pydantic import BaseModel

from runtime.registry.models import Model

ROOT = Path(__file__).parents[2]

#: Fields that are read in another way than as an attribute, and how.
OTHERWISE = {
    "tq_prefix": "by `getattr`, of a worker's client that may be no entry",
}


def models() -> Iterator[type[BaseModel]]:
    """All models of definition files: what is imported with the kinds."""
    waiting = list(Model.__subclasses__())
    while waiting:
        model = waiting.pop()
        if model.__module__.startswith("runtime."):
            yield model
        waiting += model.__subclasses__()


@cache
def read() -> frozenset[str]:
    """The names of attributes that are read in `runtime/`."""
    found = set()
    for path in (ROOT / "runtime").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                found.add(node.attr)
    return frozenset(found)


def test_every_field_of_a_definition_is_read() -> None:
    fields = {(model.__name__, field) for model in models() for field in model.model_fields}
    assert ("TemporalClient", "health_check") in fields
    assert sorted((model, field) for model, field in fields if field not in read() and field not in OTHERWISE) == []


def test_the_exceptions_are_needed() -> None:
    assert [field for field in OTHERWISE if field in read()] == []
