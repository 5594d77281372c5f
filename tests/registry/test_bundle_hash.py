"""The bundle hash changes with the code a run depends on, and with nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from runtime.errors import INVALID, NOT_FOUND, Error
from runtime.registry import Bundle, Registry, WorkflowLua
from tests.registry.support import MAIN, Files

APP = """
namespace: app
entries:
  - {name: direct, kind: workflow.lua, source: "file://direct.lua", imports: {money: money}}
  - {name: deep, kind: workflow.lua, source: "file://deep.lua", imports: {tax: tax}}
  - {name: calls, kind: workflow.lua, source: "file://calls.lua", imports: {pay: pay}}
  - {name: alone, kind: workflow.lua, source: "file://alone.lua", modules: [time, funcs]}
  - {name: tax, kind: library.lua, source: "file://tax.lua", imports: {m: money}}
  - {name: money, kind: library.lua, source: "file://money.lua"}
  - {name: pay, kind: function.lua, source: "file://pay.lua", imports: {money: money}}
"""
NAMES = ("direct", "deep", "calls", "alone", "tax", "money", "pay")
KERNEL = "kernel"


@pytest.fixture
def app(files: Files) -> Path:
    return files.write({MAIN: APP, **{f"{name}.lua": f"return '{name}'" for name in NAMES}})


def hashes(path: Path, kernel: str = KERNEL) -> dict[str, str]:
    registry = Registry.load(path, environ={})
    return {entry.name: Bundle.of(registry, entry.id, lambda _: kernel).hash for entry in registry.of_kind(WorkflowLua)}


def changed(path: Path, before: dict[str, str]) -> set[str]:
    return {name for name, value in hashes(path).items() if value != before[name]}


def test_editing_a_library_changes_every_workflow_that_imports_it_and_nothing_else(app: Path) -> None:
    before = hashes(app)
    (app.parent / "money.lua").write_text("return 'edited'")
    assert changed(app, before) == {"direct", "deep", "calls"}


def test_editing_a_workflow_changes_that_workflow(app: Path) -> None:
    before = hashes(app)
    (app.parent / "alone.lua").write_text("return 'edited'")
    assert changed(app, before) == {"alone"}


@pytest.mark.parametrize(
    ("old", "new", "affected"),
    [
        ("modules: [time, funcs]", "modules: [funcs, time]", set()),
        ("modules: [time, funcs]", "modules: [time]", {"alone"}),
        ('"file://alone.lua"', '"file://alone.lua", method: other', {"alone"}),
        ('"file://alone.lua"', '"file://alone.lua", limits: {memory: 1MiB}', {"alone"}),
        ('"file://alone.lua"', '"file://alone.lua", limits: {memory: 64MiB}', set()),
        ('"file://alone.lua"', '"file://alone.lua", meta: {team: shop}', set()),
        ("imports: {m: money}", "imports: {mo: money}", {"deep"}),
        ("namespace: app", "# a comment\nnamespace: app", set()),
    ],
)
def test_what_a_definition_changes(app: Path, old: str, new: str, affected: set[str]) -> None:
    before = hashes(app)
    app.write_text(app.read_text().replace(old, new))
    assert changed(app, before) == affected


def test_a_new_kernel_changes_every_hash(app: Path) -> None:
    before = hashes(app)
    after = hashes(app, "another")
    assert all(after[name] != before[name] for name in before)


def test_the_hash_does_not_depend_on_where_the_files_are(app: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "else" / "where"
    shutil.copytree(app.parent, elsewhere, ignore=shutil.ignore_patterns("else"))
    assert hashes(elsewhere / MAIN) == hashes(app)


def test_the_hash_does_not_depend_on_line_endings(app: Path) -> None:
    (app.parent / "alone.lua").write_bytes(b"local a = 1\nreturn a\n")
    before = hashes(app)
    (app.parent / "alone.lua").write_bytes(b"local a = 1\r\nreturn a\r\n")
    assert changed(app, before) == set()


def test_only_lua_entries_have_a_bundle(files: Files) -> None:
    registry = files.load("namespace: app\nentries: [{name: a, kind: registry.entry}]\n")
    with pytest.raises(Error) as raised:
        Bundle.of(registry, "app:a", lambda _: KERNEL)
    assert raised.value.kind == INVALID
    with pytest.raises(Error) as raised:
        Bundle.of(registry, "app:b", lambda _: KERNEL)
    assert raised.value.kind == NOT_FOUND
