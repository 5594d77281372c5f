"""The check of scripts before anything runs: that they compile, that they list only modules they may use,
and that they literally ask for nothing that they may not have."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from runtime.errors import Error
from runtime.lua.analysis import analysed
from runtime.lua.attributes import attribute_notes
from runtime.lua.capabilities import capability_problems
from runtime.lua.notes import script_notes
from runtime.modules.catalogue import ALWAYS, MODULES
from runtime.modules.definition import HOST
from runtime.modules.options import activity_options
from runtime.registry import (
    ActivityEntry,
    FunctionLua,
    LibraryLua,
    Problem,
    ProcessLua,
    Registry,
    TemporalActivity,
    WorkflowLua,
)

LuaEntry = WorkflowLua | FunctionLua | ProcessLua | LibraryLua

_POSITION = re.compile(r"^(?P<name>.*?):(?P<line>\d+): (?P<message>.*)$", re.DOTALL)


def lua_checks(registry: Registry) -> Iterable[Problem]:
    """Every problem of every script: syntax (at the script's line), module lists, entry points and call options (at the entry); and
    notes, at the script's line."""
    compiled: dict[Path, list[Problem]] = {}
    told: set[tuple[Path | str, int, str]] = set()  # notes on a file that several entries share
    in_workflows = _in_workflows(registry)
    for entry in _lua_entries(registry):
        if entry.source.path not in compiled:
            compiled[entry.source.path] = list(_syntax(entry))
            yield from compiled[entry.source.path]
        yield from _modules(entry)
        if not compiled[entry.source.path]:
            for note in script_notes(registry, entry, in_workflow=entry.id in in_workflows):
                said = note.file, note.line, note.message
                if note.severity == "error" or said not in told:
                    told.add(said)
                    yield note
    for entry in _lua_entries(registry):
        if isinstance(entry, WorkflowLua):
            yield from _workflow_modules(registry, entry)
            if not compiled[entry.source.path]:
                yield from attribute_notes(registry, entry)
        elif isinstance(entry, FunctionLua | ProcessLua):
            yield from capability_problems(registry, entry)
    for function in registry.entries.values():
        if isinstance(function, ActivityEntry | TemporalActivity):
            yield from _options(function)


def _in_workflows(registry: Registry) -> set[str]:
    """Ids of the scripts that runs execute: workflows and what they import, directly or not."""
    found: set[str] = set()
    waiting = [entry.id for entry in registry.of_kind(WorkflowLua)]
    while waiting:
        id = waiting.pop()
        entry = registry.get(id)
        if id not in found and isinstance(entry, WorkflowLua | FunctionLua | LibraryLua):
            found.add(id)
            waiting.extend(entry.imports.values())
    return found


def _lua_entries(registry: Registry) -> Iterator[LuaEntry]:
    for entry in registry.entries.values():
        if isinstance(entry, WorkflowLua | FunctionLua | ProcessLua | LibraryLua):
            yield entry


def _syntax(entry: LuaEntry) -> Iterator[Problem]:
    try:
        analysed(entry.source.text, entry.source.name)
    except Error as error:
        match = _POSITION.match(error.message)
        line, message = (int(match["line"]), match["message"]) if match else (1, error.message)
        yield Problem(
            file=entry.source.path,
            line=line,
            entry_id=entry.id,
            message=f"the script does not compile: {message}",
        )


def _modules(entry: LuaEntry) -> Iterator[Problem]:
    for name in entry.modules:
        if name in MODULES or name in ALWAYS:
            continue
        near = difflib.get_close_matches(name, MODULES, n=1)
        message = f"unknown module '{name}'"
        hint = f"did you mean '{near[0]}'?" if near else f"known modules: {', '.join(sorted(MODULES))}"
        yield Problem(file=entry.file, line=entry.line, entry_id=entry.id, message=message, hint=hint)


def _options(entry: ActivityEntry | TemporalActivity) -> Iterator[Problem]:
    try:
        activity_options(entry.options)
    except Error as error:
        yield Problem(file=entry.file, line=entry.line, entry_id=entry.id, message=f"meta.options: {error.message}")


def _workflow_modules(registry: Registry, entry: WorkflowLua) -> Iterator[Problem]:
    """Host-only modules that a workflow, or a library it imports, lists: they would not be the same on a replay."""
    seen: set[str] = set()
    waiting: list[tuple[LuaEntry, str]] = [(entry, "")]
    while waiting:
        item, through = waiting.pop()
        if item.id in seen:
            continue
        seen.add(item.id)
        for name in item.modules:
            definition = MODULES.get(name)
            if definition is not None and definition.classes == {HOST}:
                yield Problem(
                    file=entry.file,
                    line=entry.line,
                    entry_id=entry.id,
                    message=f"module '{name}' cannot be used in a workflow{through}: it is not deterministic",
                    hint="move what needs it into a function and call that with funcs.call",
                )
        for target in item.imports.values():
            imported = registry.get(target)
            if isinstance(imported, LibraryLua | FunctionLua):
                waiting.append((imported, f" (through {imported.id})"))
