"""What a loaded registry offers: entries, references as full ids, frozen values, look-ups."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from runtime.errors import INVALID, NOT_FOUND, Error
from runtime.registry import (
    Entry,
    FunctionLua,
    HttpEndpoint,
    HttpRouter,
    HttpService,
    LibraryLua,
    LuaEntry,
    Problem,
    ProcessLua,
    Registry,
    RegistryEntry,
    RegistryError,
    TemporalClient,
    TemporalWorker,
    WorkflowLua,
)
from tests.registry.support import MAIN, Files

APP = """
version: "1.0"
namespace: app
root: .
entries:
  - {name: temporal, kind: temporal.client, address: "localhost:7233", namespace: shop}
  - {name: worker, kind: temporal.worker, client: temporal, task_queue: orders}
  - name: order
    kind: workflow.lua
    source: file://lua/order.lua
    modules: [funcs, time]
    imports: {money: money, tax: other.ns:tax}
    limits: {memory: 32MiB, instructions: 5M}
    input_schema: {type: object, required: [id]}
    meta:
      team: shop
      tags: [a, b]
      temporal: {workflow: {worker: worker, name: Order, on_error: retry_task}}
  - name: charge
    kind: function.lua
    source: file://lua/pay.lua
    method: charge
    pool: {size: 2}
    timeout: 1m30s
    meta:
      temporal: {activity: {worker: "app:worker", local: true}}
      options: {activity.start_to_close_timeout: 30s}
      http_client: {allow_private: true}
  - {name: money, kind: library.lua, source: "file://lua/money.lua"}
  - {name: talker, kind: process.lua, source: "file://lua/talk.lua", meta: {default_host: worker}}
  - {name: web, kind: http.service, addr: ":0", max_body: 2MiB, timeouts: {read: 5000}}
  - {name: api, kind: http.router, meta: {server: web}, prefix: /api/, middleware: [cors], options: {cors.allow.origins: localhost}}
  - {name: post.orders, kind: http.endpoint, meta: {router: api}, method: post, path: "/orders/{id}", func: charge}
  - {name: region, kind: env.variable, variable: REGION, default: eu, readonly: true}
  - {name: settings, kind: registry.entry, data: {limit: 5}, colour: red}
"""

OTHER = """
namespace: other.ns
name: tax
kind: library.lua
source: file://tax.lua
"""

SCRIPTS = {f"lua/{name}.lua": f"-- {name}\nreturn {{}}\n" for name in ("order", "pay", "money", "talk")}


@pytest.fixture
def registry(files: Files) -> Registry:
    path = files.write(
        {MAIN: APP + "include: other/*.yaml\n", "other/tax.yaml": OTHER, "other/tax.lua": "return 1", **SCRIPTS}
    )
    return Registry.load(path, environ={})


def test_references_are_full_ids(registry: Registry) -> None:
    worker, order, talker = registry["app:worker"], registry["app:order"], registry["app:talker"]
    assert isinstance(worker, TemporalWorker)
    assert worker.client == "app:temporal"
    assert isinstance(order, WorkflowLua)
    assert order.imports == {"money": "app:money", "tax": "other.ns:tax"}
    assert order.workflow.worker == "app:worker"
    assert order.meta["temporal"]["workflow"]["worker"] == "app:worker"
    assert isinstance(talker, ProcessLua)
    assert talker.default_host == "app:worker"


def test_an_entry_knows_where_it_is_from(registry: Registry, files: Files) -> None:
    order = registry["app:order"]
    assert (order.id, order.name, order.namespace, order.kind) == ("app:order", "order", "app", "workflow.lua")
    assert (order.file, order.line, order.root) == (files.directory / MAIN, 7, files.directory)


def test_the_definition_is_as_written_but_for_full_ids(registry: Registry) -> None:
    definition = registry["app:order"].definition
    assert definition["source"] == "file://lua/order.lua"
    assert definition["limits"] == {"memory": "32MiB", "instructions": "5M"}
    assert "workflow" not in definition
    assert json.loads(json.dumps(definition))["imports"]["money"] == "app:money"


def test_a_lua_entry_holds_its_source_modules_and_limits(registry: Registry, files: Files) -> None:
    order = registry["app:order"]
    assert isinstance(order, WorkflowLua)
    assert order.source.path == files.directory / "lua" / "order.lua"
    assert (order.source.name, order.source.text) == ("lua/order.lua", "-- order\nreturn {}\n")
    assert (order.method, order.modules) == ("main", ("funcs", "time"))
    assert (order.limits.memory, order.limits.instructions) == (32 * 1024**2, 5_000_000)
    assert (order.workflow.on_error, order.workflow.versioning) == ("retry_task", "pinned")


def test_limits_have_the_documented_defaults(registry: Registry) -> None:
    charge = registry["app:charge"]
    assert isinstance(charge, FunctionLua)
    assert (charge.limits.memory, charge.limits.instructions) == (64 * 1024**2, 20_000_000)


def test_a_function_has_its_activity_options_pool_and_timeout(registry: Registry) -> None:
    charge = registry["app:charge"]
    assert isinstance(charge, FunctionLua)
    assert charge.activity is not None
    assert (charge.activity.worker, charge.activity.local) == ("app:worker", True)
    assert charge.options == {"activity.start_to_close_timeout": "30s"}
    assert (charge.pool.size, charge.timeout) == (2, timedelta(seconds=90))
    assert charge.http_client.allow_private


def test_the_temporal_namespace_is_not_the_registry_namespace(registry: Registry) -> None:
    client = registry["app:temporal"]
    assert isinstance(client, TemporalClient)
    assert (client.namespace, client.temporal_namespace) == ("app", "shop")


def test_http_entries_find_each_other_through_meta_too(registry: Registry) -> None:
    web, api, post = registry["app:web"], registry["app:api"], registry["app:post.orders"]
    assert isinstance(web, HttpService)
    assert (web.host, web.port, web.max_body, web.timeouts.read) == ("", 0, 2 * 1024**2, timedelta(seconds=5))
    assert isinstance(api, HttpRouter)
    assert (api.server, api.prefix, api.options["cors.allow.origins"]) == ("app:web", "/api", "localhost")
    assert isinstance(post, HttpEndpoint)
    assert (post.router, post.method, post.func) == ("app:api", "POST", "app:charge")


def test_a_registry_entry_keeps_whatever_it_is_given(registry: Registry) -> None:
    settings = registry["app:settings"]
    assert isinstance(settings, RegistryEntry)
    assert (settings.data, settings.definition["colour"]) == ({"limit": 5}, "red")


def test_of_kind_is_in_order_of_definition_and_takes_base_classes(registry: Registry) -> None:
    assert [entry.id for entry in registry.of_kind(LibraryLua)] == ["app:money", "other.ns:tax"]
    assert [entry.name for entry in registry.of_kind(LuaEntry)] == ["order", "charge", "money", "talker", "tax"]


def test_a_workflow_is_found_by_its_type_and_by_its_id(registry: Registry) -> None:
    order = registry["app:order"]
    assert isinstance(order, WorkflowLua)
    assert registry.workflow_type(order) == "Order"
    assert registry.find_workflow("Order") is order
    assert registry.find_workflow("app:order") is order
    assert registry.find_workflow("app:charge") is None


def test_an_unknown_id_is_a_not_found_error_with_a_suggestion(registry: Registry) -> None:
    with pytest.raises(Error, match=r'entry not found: app:ordr; did you mean "app:order"\?') as raised:
        registry["app:ordr"]
    assert raised.value.kind == NOT_FOUND
    assert registry.get("app:ordr") is None
    assert "app:order" in registry


def test_entries_cannot_be_changed_at_any_depth(registry: Registry) -> None:
    order = registry["app:order"]
    assert isinstance(order, WorkflowLua)
    writable: Any = order
    with pytest.raises(ValidationError):
        writable.method = "other"
    with pytest.raises(ValidationError):
        writable.limits.memory = 1
    entries: Any = registry.entries
    changes: list[Callable[[], object]] = [
        lambda: writable.meta["temporal"]["workflow"].update(worker="x"),
        lambda: writable.meta.pop("team"),
        lambda: writable.imports.__setitem__("x", "y"),
        lambda: writable.input_schema["required"].append("x"),
        lambda: entries.__setitem__("x", order),
    ]
    for change in changes:
        with pytest.raises((TypeError, AttributeError)):
            change()


def test_meta_is_json_and_travels_between_processes(registry: Registry) -> None:
    meta = registry["app:order"].meta
    assert json.loads(json.dumps(meta))["tags"] == ["a", "b"]
    assert pickle.loads(pickle.dumps(meta)) == meta


def test_checks_see_what_could_be_built_and_are_reported_with_the_rest(files: Files) -> None:
    path = files.write(
        {
            MAIN: """
            namespace: app
            entries:
              - {name: a, kind: library.lua, source: "file://a.lua", imports: {b: missing}, colour: red}
            """,
            "a.lua": "return 1",
        }
    )

    def check(registry: Registry) -> list[Problem]:
        return [Problem(entry.file, 1, entry.id, "checked") for entry in registry.of_kind(LibraryLua)]

    with pytest.raises(RegistryError) as raised:
        Registry.load(path, environ={}, checks=[check])
    messages = [problem.message for problem in raised.value.problems]
    assert messages == ["checked", 'imports.b: no entry "app:missing"', 'unknown field "colour"']
    assert raised.value.kind == INVALID


def test_notes_do_not_stop_a_load(files: Files) -> None:
    path = files.write({MAIN: "namespace: app\nentries: [{name: a, kind: registry.entry}]\n"})

    def check(registry: Registry) -> list[Problem]:
        entry: Entry = registry["app:a"]
        return [Problem(entry.file, entry.line, entry.id, "looks odd", severity="note")]

    registry = Registry.load(path, environ={}, checks=[check])
    assert [str(note) for note in registry.notes] == [f"{path}:2: app:a: note: looks odd"]


def test_the_path_is_the_one_given(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write({MAIN: "namespace: app\nentries: [{name: a, kind: registry.entry}]\n"})
    monkeypatch.chdir(files.directory)
    registry = Registry.load(MAIN, environ={})
    assert (registry.path, registry["app:a"].file, registry["app:a"].root) == (Path(MAIN), Path(MAIN), Path())
