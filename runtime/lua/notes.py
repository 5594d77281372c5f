"""The notes on a script that loads but looks suspicious: names that nobody defines, ids that nobody has, values that differ by machine.

All of it is seen in the bytecode, without running anything. A note stops nothing; a missing entry point does where it is certain.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import replace

from runtime.lua.absent import absent_in
from runtime.lua.analysis import Function, analysed, calls, powers, reads, returns, texts, writes
from runtime.lua.compiling import GLOBALS
from runtime.modules.catalogue import ALWAYS, MODULES
from runtime.registry import FunctionLua, LibraryLua, Problem, ProcessLua, Registry, WorkflowLua

LuaEntry = WorkflowLua | FunctionLua | ProcessLua | LibraryLua

#: Functions that take the id of an entry first.
_TAKES_ID = frozenset(
    ["call", "async", "exec", "spawn", "spawn_monitored", "spawn_linked", "spawn_linked_monitored", "add"],
)
_STARTABLE = ("function.", "workflow.", "process.lua", "temporal.activity", "temporal.workflow")
_ID = re.compile(r"^[\w.-]+:[\w.-]+$")
_INEXACT = frozenset(["sin", "cos", "tan", "asin", "acos", "atan", "exp", "log"])


def script_notes(registry: Registry, entry: LuaEntry, *, in_workflow: bool) -> Iterator[Problem]:
    """Notes on a script that compiles, and its missing entry point. `in_workflow`: whether runs execute it."""
    main = analysed(entry.source.text, entry.source.name)
    if not isinstance(entry, LibraryLua):
        yield from _entry_point(entry, main)
    yield from _globals(entry, main)
    yield from _required(entry, main)
    yield from _ids(registry, entry, main)
    if in_workflow:
        yield from _inexact(entry, main)


def _note(entry: LuaEntry, line: int, message: str, hint: str | None = None) -> Problem:
    return Problem(entry.source.path, line, entry.id, message, hint, severity="note")


def _entry_point(entry: WorkflowLua | FunctionLua | ProcessLua, main: Function) -> Iterator[Problem]:
    given = returns(main)
    if given == "function" or (given != "nothing" and entry.method in texts(main)):
        return
    wanted = f"the script must return a function, or a table with a function '{entry.method}'"
    if given is None:
        yield _note(entry, 1, f"the name of its method, '{entry.method}', is nowhere in the script", wanted)
        return
    problem = "it returns nothing" if given == "nothing" else f"the table it returns has no '{entry.method}'"
    yield Problem(entry.file, entry.line, entry.id, f"{entry.source.name} has no entry point: {problem}", wanted)


def _globals(entry: LuaEntry, main: Function) -> Iterator[Problem]:
    known = GLOBALS.union(ALWAYS, entry.modules, entry.imports, writes(main))
    told = set()
    for use in absent_in(entry.source.text, entry.source.name, known):
        told.add((use.name, use.line))
        yield replace(_note(entry, use.line, use.text), severity="problem" if use.is_local else "note")
    for named in reads(main):
        name = named.path[0]
        if name in known or (name, named.line) in told:
            continue
        near = difflib.get_close_matches(name, known, n=1)
        hint = "list it in modules:" if name in MODULES else f"did you mean '{near[0]}'?" if near else None
        yield _note(entry, named.line, f"undefined global '{name}' reads as nil", hint)


def _required(entry: LuaEntry, main: Function) -> Iterator[Problem]:
    known = GLOBALS.union(ALWAYS, entry.modules, entry.imports)
    for named in reads(main):
        if named.path == ("require",) and named.text is not None and named.text not in known:
            message = f"require('{named.text}') will raise: it is listed neither in modules: nor in imports:"
            yield _note(entry, named.line, message)


def _ids(registry: Registry, entry: LuaEntry, main: Function) -> Iterator[Problem]:
    for named in calls(main):
        id = named.text or ""
        if named.path[0] not in _TAKES_ID or not _ID.match(id):
            continue
        if registry.get(id) is None and registry.find_workflow(id) is None:
            near = difflib.get_close_matches(id, _startable(registry), n=1)
            yield _note(
                entry, named.line, f"no entry of the registry is '{id}'", f"did you mean '{near[0]}'?" if near else None
            )


def _startable(registry: Registry) -> list[str]:
    """The ids of what can be called or started."""
    return [entry.id for entry in registry.entries.values() if entry.kind.startswith(_STARTABLE)]


def _inexact(entry: LuaEntry, main: Function) -> Iterator[Problem]:
    found = [(named.line, f"math.{named.path[1]}") for named in reads(main) if _is_inexact(named.path)]
    for line, what in sorted({*found, *((line, "'^'") for line in powers(main))}):
        message = f"the last bits of {what} differ between machines: round before they decide what a run does"
        yield Problem(entry.source.path, line, entry.id, message, docs="evermoon docs determinism", severity="note")


def _is_inexact(path: tuple[str, ...]) -> bool:
    return len(path) == 2 and path[0] == "math" and path[1] in _INEXACT
