"""Replacing fields at launch."""

from __future__ import annotations

import pytest

from runtime.registry import FunctionLua, HttpRouter, Registry, TemporalWorker
from tests.registry.support import Files

APP = """
namespace: app.shop
override:
  "app.shop:worker:task_queue": from_file
entries:
  - {name: temporal, kind: temporal.client, address: "localhost:7233"}
  - {name: other, kind: temporal.client, address: "localhost:7234"}
  - {name: worker, kind: temporal.worker, client: temporal, task_queue: orders}
  - {name: web, kind: http.service}
  - {name: api, kind: http.router, server: web, options: {cors.allow.origins: "*", list: [1, 2]}}
  - {name: pay, kind: function.lua, source: "file://pay.lua", meta: {options: {activity.timeout: 1s}}}
"""


def load(files: Files, *overrides: str) -> Registry:
    return files.load(APP, {"pay.lua": "return 1"}, overrides=overrides)


def worker(registry: Registry) -> TemporalWorker:
    entry = registry["app.shop:worker"]
    assert isinstance(entry, TemporalWorker)
    return entry


def test_a_file_overrides_and_the_command_line_wins(files: Files) -> None:
    assert worker(load(files)).task_queue == "from_file"
    assert worker(load(files, "app.shop:worker:task_queue=mine")).task_queue == "mine"


def test_values_are_yaml_and_tables_are_made_on_the_way(files: Files) -> None:
    registry = load(
        files,
        "app.shop:worker:worker_options.max_cached_workflows=7",
        "app.shop:worker:lifecycle={depends_on: [web]}",
        "app.shop:worker:client=other",
    )
    entry = worker(registry)
    assert (entry.worker_options.max_cached_workflows, entry.client) == (7, "app.shop:other")
    assert entry.lifecycle.depends_on == ("app.shop:web",)


def test_a_key_with_dots_is_found_and_so_is_an_index(files: Files) -> None:
    registry = load(
        files,
        "app.shop:api:options.cors.allow.origins=localhost",
        "app.shop:api:options.list.1=a=b",
        "app.shop:pay:meta.options.activity.timeout=5s",
    )
    api, pay = registry["app.shop:api"], registry["app.shop:pay"]
    assert isinstance(api, HttpRouter)
    assert api.options == {"cors.allow.origins": "localhost", "list": (1, "a=b")}
    assert isinstance(pay, FunctionLua)
    assert pay.options == {"activity.timeout": "5s"}


@pytest.mark.parametrize(
    ("override", "message", "hint"),
    [
        ("app.shop:wrker:task_queue=x", "no entry app.shop:wrker", 'did you mean "app.shop:worker"?'),
        ("app.shop:worker=x", "names no field", None),
        ("app.shop:worker:task_queue", "has no value", None),
        ("app.shop:worker:task_queue=[", "not YAML", None),
        ("app.shop:worker:kind=http.service", "kind cannot be replaced", None),
        ("app.shop:worker:task_queue.deep=1", "not inside a mapping or a list", None),
        ("app.shop:worker:tsk_queue=x", 'unknown field "tsk_queue"', 'did you mean "task_queue"?'),
        ("app.shop:worker:task_queue=5", "task_queue: expects text, not 5", None),
        ("app.shop:worker:client=web", '"app.shop:web" is a http.service, not a temporal.client', None),
    ],
)
def test_a_mistaken_override_is_a_problem_of_the_command_line(
    files: Files, override: str, message: str, hint: str | None
) -> None:
    problem = files.problem(APP, {"pay.lua": "return 1"}, overrides=[override])
    assert message in problem.message
    assert (problem.file, problem.line) == ("--override", 0)
    if hint:
        assert problem.hint == hint


def test_a_mistaken_override_in_a_file_is_at_its_line(files: Files) -> None:
    problem = files.problem('namespace: app\noverride:\n  "app:a:data": 1\nentries: []\n')
    assert (problem.line, problem.message) == (3, 'override "app:a:data": no entry app:a')
