"""The shipped JSON Schema: current, and of one mind with the loader."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from runtime.registry import schema
from runtime.registry.kinds import MODELS
from tests.registry.test_broken_files import BROKEN
from tests.registry.test_registry import APP, OTHER


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    shipped = json.loads(schema.SHIPPED.read_text(encoding="utf-8"))
    Draft7Validator.check_schema(shipped)
    return Draft7Validator(shipped)


def test_the_shipped_schema_is_current() -> None:
    assert schema.SHIPPED.read_text(encoding="utf-8") == schema.text(), (
        "run: python -m runtime.registry.schema, and commit the result"
    )


def test_it_has_every_kind() -> None:
    assert {model.KIND for model in MODELS} <= schema.build()["$defs"].keys()


@pytest.mark.parametrize("text", [APP, OTHER], ids=["entries", "one entry"])
def test_it_accepts_what_loads(validator: Draft7Validator, text: str) -> None:
    assert [error.message for error in validator.iter_errors(yaml.safe_load(text))] == []


def entry(fields: str) -> dict[str, Any]:
    return {"namespace": "app", "entries": [{"name": "a", **yaml.safe_load(f"{{{fields}}}")}]}


@pytest.mark.parametrize(
    "fields",
    [
        "kind: http.service, max_body: '${env:MAX|1MiB}'",
        "kind: temporal.client, address: a, health_check: '${env:CHECK|true}', auth: {type: '${env:AUTH|none}'}",
        "kind: function.lua, source: 'file://a.lua', pool: {size: '${env:POOL|4}'}",
    ],
)
def test_it_accepts_placeholders_where_values_are_not_text(validator: Draft7Validator, fields: str) -> None:
    assert [error.message for error in validator.iter_errors(entry(fields))] == []


@pytest.mark.parametrize(
    "fields",
    [
        "kind: http.service, adr: ':1'",
        "kind: workflow.luaa",
        "kind: temporal.worker, client: c",
        "kind: temporal.worker, client: c, task_queue: q, worker_options: {max_cached: 1}",
        "kind: workflow.lua, source: a.lua",
        "kind: workflow.lua, source: 'file://a.lua', meta: {temporal: {workflow: {on_error: retry}}}",
        "kind: workflow.lua, source: 'file://a.lua', workflow: {}",
    ],
)
def test_it_refuses_what_does_not_load(validator: Draft7Validator, fields: str) -> None:
    assert not validator.is_valid(entry(fields))


def test_it_refuses_the_broken_files(validator: Draft7Validator) -> None:
    assert not validator.is_valid(yaml.safe_load(BROKEN))
