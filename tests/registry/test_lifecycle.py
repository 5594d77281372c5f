"""What `lifecycle` says: which services start, what each waits for, and what is said of a field that means nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest

from runtime.errors import UNAVAILABLE, Error
from runtime.registry import Registry, RegistryError, Selection
from runtime.registry.kinds import MODELS
from runtime.registry.models import ServiceEntry
from tests.docs.pages import ROOT
from tests.registry.support import Files

OFF = "lifecycle: {auto_start: false}"
HEAD = """
namespace: app
entries:
  - {name: temporal, kind: temporal.client, address: "localhost:1"}
  - {name: host, kind: process.host}
  - {name: actor, kind: process.lua, source: file://actor.lua}
  - {name: driver, kind: queue.driver.memory}
  - {name: take, kind: function.lua, source: file://actor.lua}
"""
SERVICES: list[Any] = [model for model in MODELS if issubclass(model, ServiceEntry)]


def load(files: Files, *entries: str) -> Registry:
    lines = "".join(f"  - {{{entry}}}\n" for entry in entries)
    return files.load(HEAD + lines, {"actor.lua": "return function() end"})


def test_a_service_that_does_not_start_by_itself_is_not_started(files: Files) -> None:
    made = load(
        files,
        f"name: gpu, kind: temporal.worker, client: temporal, task_queue: gpu, {OFF}",
        "name: cpu, kind: temporal.worker, client: temporal, task_queue: cpu",
        f"name: web, kind: http.service, {OFF}",
    )
    assert made.services.started == {"app:temporal", "app:cpu", "app:host", "app:driver"}
    with pytest.raises(Error, match=r"http.service app:web is not started.*\(registry.yaml:\d+\); start it with -o app") as refused:  # fmt: skip
        made.services.require(made["app:web"])  # type: ignore[arg-type]
    assert refused.value.kind == UNAVAILABLE


WORKERS = (
    "name: gpu, kind: temporal.worker, client: temporal, task_queue: gpu, meta: {group: heavy}",
    "name: cpu, kind: temporal.worker, client: temporal, task_queue: cpu, meta: {group: [light, all]}",
    "name: base, kind: process.service, process: actor, host: host",
    "name: web, kind: http.service, lifecycle: {depends_on: [base, gpu]}",
)


@pytest.mark.parametrize(
    ("only", "without", "here"),
    [
        (["app:gpu"], [], {"app:gpu"}),
        (["heavy", "light"], [], {"app:gpu", "app:cpu"}),
        ([], ["app:gpu", "app:base"], {"app:cpu", "app:web"}),
        (["app:web"], [], {"app:web"}),
        (["all", "app:gpu"], ["heavy"], {"app:cpu"}),
    ],
)
def test_a_process_may_be_for_a_part_of_the_registry(
    only: list[str], without: list[str], here: set[str], files: Files
) -> None:
    made = load(files, *WORKERS)
    part = Registry(made.path, made.entries, environ={}, selection=Selection(only, without))
    assert part.services.started == {"app:temporal", "app:host", "app:driver"} | here
    if "app:web" in here:
        assert part.services.awaited("app:web") == [], "what runs elsewhere is not waited for"
    for id in {"app:gpu", "app:cpu"} - here:
        with pytest.raises(Error, match=f"temporal.worker {id} is not served by this process"):
            part.services.require(made[id])  # type: ignore[arg-type]


def test_who_names_a_service_starts_it_whatever_its_lifecycle_says(files: Files) -> None:
    made = load(files, f"name: gpu, kind: temporal.worker, client: temporal, task_queue: gpu, {OFF}")
    for only, here in ((["app:gpu"], True), ([], False)):
        part = Registry(made.path, made.entries, environ={}, selection=Selection(only))
        assert ("app:gpu" in part.services.started) == here


def test_a_name_that_no_service_has_is_refused(files: Files) -> None:
    made = load(files, *WORKERS)
    part = Registry(made.path, made.entries, environ={}, selection=Selection(["app:gpus"]))
    with pytest.raises(Error, match=r'no service has the id or the meta.group "app:gpus"; did you mean "app:gpu"\?'):
        part.services.check_selection()


def test_what_a_service_needs_starts_with_it(files: Files) -> None:
    made = load(
        files,
        f"name: local, kind: db.sql.sqlite, file: x.db, {OFF}",
        "name: kept, kind: store.sql, database: local",
        f"name: dead, kind: queue.queue, driver: driver, {OFF}",
        f"name: q, kind: queue.queue, driver: driver, driver_options: {{dead_letter: dead}}, {OFF}",
        "name: taking, kind: queue.consumer, queue: q, func: take",
        f"name: other, kind: queue.queue, driver: driver, {OFF}",
        f"name: base, kind: process.service, process: actor, host: host, {OFF}",
        "name: web, kind: http.service, lifecycle: {depends_on: [base]}",
    )
    assert {"app:local", "app:q", "app:dead", "app:base"} < made.services.started
    assert "app:other" not in made.services.started


def test_auto_start_takes_a_placeholder(files: Files) -> None:
    off = 'lifecycle: {auto_start: "${env:GPU|false}"}'
    entry = f"name: gpu, kind: temporal.worker, client: temporal, task_queue: gpu, {off}"
    assert "app:gpu" not in load(files, entry).services.started
    override = Registry.load(files.directory / "registry.yaml", environ={"GPU": "true"})
    assert "app:gpu" in override.services.started


def test_a_service_waits_for_what_its_host_or_client_depends_on(files: Files) -> None:
    made = files.load(
        """
namespace: app
entries:
  - {name: temporal, kind: temporal.client, address: "localhost:1", lifecycle: {depends_on: [secrets]}}
  - {name: worker, kind: temporal.worker, client: temporal, task_queue: q}
  - {name: host, kind: process.host}
  - {name: actor, kind: process.lua, source: file://actor.lua}
  - {name: secrets, kind: process.service, process: actor, host: host}
""",
        {"actor.lua": "return function() end"},
    )
    assert made.services.awaited("app:worker") == ["app:secrets"]


def test_services_that_wait_for_each_other_through_what_they_refer_to_are_refused(files: Files) -> None:
    with pytest.raises(RegistryError, match="services wait for each other in a circle") as refused:
        files.load(
            """
namespace: app
entries:
  - {name: host, kind: process.host, lifecycle: {depends_on: [one]}}
  - {name: actor, kind: process.lua, source: file://actor.lua}
  - {name: one, kind: process.service, process: actor, host: host}
""",
            {"actor.lua": "return function() end"},
        )
    assert len(refused.value.problems) == 1


def test_a_field_without_meaning_for_its_kind_is_noted(files: Files) -> None:
    made = load(files, "name: web, kind: http.service, lifecycle: {restart: {max_attempts: 3}, start_timeout: 10s}")
    [note] = [problem for problem in made.notes if problem.entry_id == "app:web"]
    assert (note.severity, note.message) == ("note", "lifecycle.restart has no meaning for http.service")
    assert note.line == 8


@pytest.mark.parametrize("model", SERVICES, ids=lambda model: model.KIND)
def test_the_page_says_what_each_kind_reads(model: type[ServiceEntry]) -> None:
    text = (ROOT / "docs" / "registry.md").read_text(encoding="utf-8")
    [row] = re.findall(rf"^\| `{re.escape(model.KIND)}` \| [^\[|]+ \| (.+) \|$", text, re.MULTILINE)
    assert {*re.findall(r"`(\w+)`", row), "auto_start"} == model.LIFECYCLE


@pytest.mark.parametrize("model", SERVICES, ids=lambda model: model.KIND)
def test_every_service_kind_takes_a_lifecycle(model: type[ServiceEntry]) -> None:
    assert "lifecycle" in model.model_fields
    assert ServiceEntry.REFERENCES[0] in model.REFERENCES
