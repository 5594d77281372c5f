"""What other formats call a field is answered with what it is called here."""

from __future__ import annotations

import pytest

from runtime.registry.kinds import KINDS
from runtime.registry.spellings import OTHERS, paths
from tests.registry.support import Files

LUA = "source: file://a.lua"


@pytest.mark.parametrize(
    ("entry", "written", "meant"),
    [
        (f"kind: function.lua, {LUA}, pool: {{type: lazy}}", "pool.type", "pool.size"),
        (f"kind: function.lua, {LUA}, pool: {{max_size: 3}}", "pool.max_size", "pool.size"),
        (f"kind: function.lua, {LUA}, pool: {{workers: 3}}", "pool.workers", "pool.size"),
        (f"kind: function.lua, {LUA}, max_open: 3", "max_open", "pool.size"),
        (f"kind: function.lua, {LUA}, entrypoint: main", "entrypoint", "method"),
        (f"kind: library.lua, {LUA}, libraries: {{}}", "libraries", "imports"),
        ("kind: process.host, host: {max_processes: 5}", "host", "max_processes"),
        ("kind: process.host, lifecycle: {restart: {max_retries: 5}}", "lifecycle.restart.max_retries", "lifecycle.restart.max_attempts"),
        ("kind: process.host, depends_on: [x]", "depends_on", "lifecycle.depends_on"),
        ("kind: queue.queue, driver: d, driver_options: {memory: {max_length: 5}}", "driver_options.memory", "driver_options.max_length"),
        ("kind: queue.queue, driver: d, max_length: 5", "max_length", "driver_options.max_length"),
        ("kind: store.memory, cleanup_interval: 5m", "cleanup_interval", "sweep_interval"),
        ("kind: store.memory, sweepinterval: 5m", "sweepinterval", "sweep_interval"),
        ("kind: http.service, address: ':80'", "address", "addr"),
        ("kind: http.service, timeouts: {reed: 5s}", "timeouts.reed", "read"),
        ("kind: http.service, idle: 5s", "idle", "timeouts.idle"),
        ("kind: db.sql.sqlite, file: a.db, pool: {max_open: 4}", "pool.max_open", "pool.size"),
        ("kind: env.variable, variable: A, value: b", "value", "default"),
        ("kind: temporal.client, address: 'h:1', api_key: k", "api_key", "auth.api_key"),
        ("kind: temporal.activity, type: T, task_queue: q, queue: q", "queue", "task_queue"),
    ],
)  # fmt: skip
def test_an_unknown_field_is_answered_with_the_one_that_is_meant(
    files: Files, entry: str, written: str, meant: str
) -> None:
    text = f"namespace: app\nentries:\n  - {{name: d, kind: queue.driver.memory}}\n  - {{name: x, {entry}}}\n"
    found = [problem for problem in files.problems(text, {"a.lua": "return {}"}) if problem.entry_id == "app:x"]
    [problem] = [problem for problem in found if problem.message.startswith("unknown field")]
    assert (problem.message, problem.hint) == (f'unknown field "{written}"', f'did you mean "{meant}"?')
    assert problem.line == 4


def test_what_is_of_meta_is_said_to_be(files: Files) -> None:
    text = "namespace: app\nname: x\nkind: workflow.lua\nsource: file://a.lua\ntemporal: {workflow: {}}\n"
    assert files.problem(text, {"a.lua": "return {}"}).hint == "write it as meta.temporal"


def test_each_spelling_leads_to_a_field_that_exists() -> None:
    known = {path for model in KINDS.values() for path in paths(model)}
    assert [field for field in OTHERS[""].values() if field not in known] == []
    for kind, said in OTHERS.items():
        if kind:
            assert [field for field in said.values() if field not in paths(KINDS[kind])] == []
            assert [field for field in said if field in paths(KINDS[kind])] == []
