"""The JSON Schema of definition files, generated from the models. ``python -m runtime.registry.schema`` writes the shipped copy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from runtime.registry.files import NAMESPACE
from runtime.registry.kinds import MODELS
from runtime.registry.models import Entry
from runtime.registry.problems import page_of

SHIPPED = Path(__file__).with_name("schema.json")

_PLACEHOLDER = {"type": "string", "pattern": r"\$\{env:", "description": "a placeholder, ${env:NAME|default}"}
_NAME = {"type": "string", "pattern": f"^{NAMESPACE.pattern}$"}


class _Generator(GenerateJsonSchema):
    """A generator that leaves out what JSON cannot say of a Python default (timedelta, sentinels) instead of warning."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 - pydantic's own attribute


def build() -> dict[str, Any]:
    """The schema, with every entry kind under ``$defs`` by its name."""
    definitions: dict[str, Any] = {}
    for model in MODELS:
        definitions[model.KIND] = _entry(model, definitions)
    kinds = [{"$ref": f"#/$defs/{model.KIND}"} for model in MODELS]
    definitions["entry"] = {
        "type": "object",
        "required": ["name", "kind"],
        "properties": {"kind": {"enum": [model.KIND for model in MODELS]}},
        "allOf": [
            {"if": {"properties": {"kind": {"const": model.KIND}}}, "then": kind}
            for model, kind in zip(MODELS, kinds, strict=True)
        ],
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Evermoon definition file",
        "type": "object",
        "properties": _head(),
        "if": {"required": ["kind"]},
        "then": {"required": ["namespace", "name", "kind"]},
        "else": {"additionalProperties": False, "properties": _head(), "patternProperties": {"^x-": True}},
        "$defs": definitions,
    }


def text() -> str:
    return json.dumps(build(), indent=2, ensure_ascii=False) + "\n"


def _head() -> dict[str, Any]:
    texts = {"type": "string"}
    return {
        "version": {"enum": ["1.0", 1.0]},
        "namespace": _NAME,
        "root": {**texts, "description": "the directory sources are relative to, relative to this file"},
        "include": {"anyOf": [texts, {"type": "array", "items": texts}]},
        "override": {"type": "object", "description": '"namespace:entry:path": value'},
        "entries": {"type": "array", "items": {"$ref": "#/$defs/entry"}},
    }


def _entry(model: type[Entry], definitions: dict[str, Any]) -> dict[str, Any]:
    schema = model.model_json_schema(schema_generator=_Generator, ref_template="#/$defs/{model}")
    for name, nested in schema.pop("$defs", {}).items():
        if name != "Place":
            definitions[name] = _finish(nested)
    schema = _finish(schema)
    properties = schema["properties"]
    del properties["place"]
    schema["required"].remove("place")
    properties["name"] = _NAME
    _move_into_meta(model, schema)
    schema["description"] = f"{(model.__doc__ or '').partition(chr(10))[0]} See {page_of(model.KIND)}."
    return schema


def _move_into_meta(model: type[Entry], schema: dict[str, Any]) -> None:
    meta: dict[str, Any] = {"type": "object", "properties": {}}
    for lift in model.LIFTS:
        properties = schema["properties"]
        value = properties[lift.field] if lift.direct else properties.pop(lift.field)
        if lift.direct and lift.field in schema["required"]:
            schema["required"].remove(lift.field)
        target = meta
        for step in lift.path[1:-1]:
            target = target["properties"].setdefault(step, {"type": "object", "properties": {}})
        target["properties"][lift.path[-1]] = value
    schema["properties"]["meta"] = meta


def _finish(schema: dict[str, Any]) -> dict[str, Any]:
    """Drops pydantic's titles, and lets a placeholder stand for any value that is not text."""
    schema.pop("title", None)
    for name, value in schema.get("properties", {}).items():
        value.pop("title", None)
        if name not in ("kind", "place", "meta") and not _takes_text(value):
            description = {key: value.pop(key) for key in ("description", "default") if key in value}
            schema["properties"][name] = {"anyOf": [value, _PLACEHOLDER], **description}
    return schema


def _takes_text(value: dict[str, Any]) -> bool:
    kinds = value.get("type", [])
    anything = not value.keys() - {"default", "description"}
    is_text = "string" in ([kinds] if isinstance(kinds, str) else kinds)
    return anything or (is_text and "enum" not in value)


if __name__ == "__main__":
    SHIPPED.write_text(text(), encoding="utf-8")
