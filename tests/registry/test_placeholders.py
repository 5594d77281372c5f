"""Placeholders: where they work, what type they give, and that what they stand for is never told."""

from __future__ import annotations

import pytest

from runtime.errors import INVALID, Error
from runtime.registry import (
    Bundle,
    EnvVariable,
    HttpService,
    LibraryLua,
    Registry,
    RegistryEntry,
    TemporalClient,
    TemporalWorker,
    WorkflowLua,
)
from tests.registry.support import Files


def resolved(files: Files, fields: str, **environ: str) -> RegistryEntry:
    registry = files.load(
        f"namespace: app\nentries:\n  - {{name: a, kind: registry.entry, {fields}}}\n", environ=environ
    )
    entry = registry["app:a"]
    assert isinstance(entry, RegistryEntry)
    return registry.resolve(entry)


@pytest.mark.parametrize(
    ("text", "environ", "value"),
    [
        ("${env:NAME}", {"NAME": "x"}, "x"),
        ("${env:NAME}", {"NAME": "8080"}, "8080"),
        ("${env:NAME|fallback}", {}, "fallback"),
        ("${env:NAME|fallback}", {"NAME": ""}, ""),
        ("${env:NAME|}", {}, ""),
        ("${env:PORT|8080}", {}, 8080),
        ("${env:PORT|8080}", {"PORT": "9090"}, 9090),
        ("${env:RATE|0.5}", {"RATE": "2"}, 2),
        ("${env:ON|false}", {"ON": "true"}, True),
        ("127.0.0.1:${env:PORT|8080}", {}, "127.0.0.1:8080"),
        ("sqlite:${env:DIR|.}/${env:FILE}", {"FILE": "s.db"}, "sqlite:./s.db"),
        ("$${env:NAME} costs 5$", {"NAME": "x"}, "${env:NAME} costs 5$"),
        ("$${env:A}${env:A}", {"A": "x"}, "${env:A}x"),
        ("${other} $x {y}", {}, "${other} $x {y}"),
    ],
)
def test_a_placeholder_is_replaced(files: Files, text: str, environ: dict[str, str], value: object) -> None:
    entry = resolved(files, f'data: "{text}"', **environ)
    assert entry.data == value
    assert type(entry.data) is type(value)


def test_placeholders_are_replaced_in_nested_values_and_meta(files: Files) -> None:
    entry = resolved(files, 'data: {a: ["${env:X}"]}, meta: {b: {c: "${env:X}"}}', X="1")
    assert (entry.data, entry.meta) == ({"a": ("1",)}, {"b": {"c": "1"}})


CLIENT = """
namespace: app
entries:
  - name: temporal
    kind: temporal.client
    address: "${env:ADDRESS|localhost:7233}"
    auth: {type: api_key, api_key: "${env:SECRET}"}
    health_check: "${env:CHECK|true}"
    payloads: {threshold: "${env:THRESHOLD|256KiB}"}
"""


def client(registry: Registry) -> TemporalClient:
    entry = registry["app:temporal"]
    assert isinstance(entry, TemporalClient)
    return entry


def test_an_entry_keeps_its_placeholders_until_it_is_resolved(files: Files) -> None:
    registry = files.load(CLIENT, environ={"SECRET": "s3cret", "THRESHOLD": "1KiB", "CHECK": "false"})
    entry = client(registry)
    assert entry.address == "${env:ADDRESS|localhost:7233}"
    assert "s3cret" not in repr(registry.entries)
    used = registry.resolve(entry)
    assert (used.address, used.health_check, used.payloads.threshold) == ("localhost:7233", False, 1024)
    assert used.auth.api_key == "s3cret"
    assert "s3cret" not in repr(used)


def test_a_missing_variable_is_an_error_naming_entry_field_and_variable(files: Files) -> None:
    registry = files.load(CLIENT)
    with pytest.raises(Error) as raised:
        registry.resolve(client(registry))
    assert raised.value.kind == INVALID
    assert raised.value.message == "app:temporal: auth.api_key: the environment variable SECRET is not set"


@pytest.mark.parametrize("variable", ["THRESHOLD", "CHECK"])
def test_a_value_that_does_not_fit_is_an_error_that_does_not_tell_it(files: Files, variable: str) -> None:
    registry = files.load(CLIENT, environ={"SECRET": "s3cret", variable: "hush-hush"})
    with pytest.raises(Error) as raised:
        registry.resolve(client(registry))
    assert raised.value.message.startswith("app:temporal: ")
    assert variable in raised.value.message
    assert "hush-hush" not in raised.value.message


def test_a_default_that_does_not_fit_is_a_problem_at_load(files: Files) -> None:
    problem = files.problem(
        'namespace: app\nentries:\n  - name: a\n    kind: http.service\n    max_body: "${env:MAX|lots}"\n'
    )
    assert (problem.line, problem.message) == (
        5,
        "max_body: expects a size such as \"64MiB\" or a number of bytes, not 'lots'",
    )


def test_a_number_as_default_of_a_text_field_stays_text(files: Files) -> None:
    text = """
    namespace: app
    entries:
      - {name: t, kind: temporal.client, address: "localhost:1"}
      - {name: w, kind: temporal.worker, client: t, task_queue: "${env:QUEUE|42}"}
      - {name: v, kind: env.variable, variable: V, default: "${env:DEFAULT|true}"}
    """
    registry = files.load(text)
    worker, variable = registry["app:w"], registry["app:v"]
    assert isinstance(worker, TemporalWorker)
    assert isinstance(variable, EnvVariable)
    assert registry.resolve(worker).task_queue == "42"
    assert registry.resolve(variable).default == "true"


def test_references_sources_and_workflow_types_are_resolved_at_load(files: Files) -> None:
    text = """
    namespace: app
    entries:
      - {name: lib, kind: library.lua, source: "file://${env:DIR|lua}/lib.lua"}
      - name: w
        kind: workflow.lua
        source: file://lua/lib.lua
        imports: {lib: "${env:LIB|lib}"}
        meta: {temporal: {workflow: {name: "${env:TYPE|Order}"}}}
    """
    registry = files.load(text, {"lua/lib.lua": "return 1"}, environ={"TYPE": "Custom"})
    workflow, library = registry["app:w"], registry["app:lib"]
    assert isinstance(workflow, WorkflowLua)
    assert isinstance(library, LibraryLua)
    assert library.source.name == "lua/lib.lua"
    assert workflow.imports == {"lib": "app:lib"}
    assert registry.find_workflow("Custom") is workflow
    assert Bundle.of(registry, "app:w", lambda _: "").hash


def test_a_dangling_reference_shows_the_placeholder_not_its_value(files: Files) -> None:
    text = """
    namespace: app
    entries:
      - {name: w, kind: temporal.worker, client: "${env:CLIENT}", task_queue: q}
    """
    [problem] = files.problems(text, environ={"CLIENT": "hush"})
    assert problem.message == 'client: no entry "${env:CLIENT}"'


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ('data: "${env:NAME"', "data: a placeholder that does not end"),
        ('data: ["${env:}"]', "data[0]: a placeholder that does not end"),
    ],
)
def test_a_placeholder_that_does_not_end_is_a_problem(files: Files, field: str, message: str) -> None:
    problem = files.problem(f"namespace: app\nentries:\n  - {{name: a, kind: registry.entry, {field}}}\n")
    assert problem.message == message


def test_an_entry_without_placeholders_resolves_to_itself(files: Files) -> None:
    registry = files.load("namespace: app\nentries: [{name: web, kind: http.service}]\n")
    web = registry["app:web"]
    assert isinstance(web, HttpService)
    assert registry.resolve(web) is web
