"""Names that a script uses though nothing is there: locals that are declared further down, and what Lua has elsewhere but not here.

Both read as nil, so the script fails, or goes on without, at that line. What to do about it is said when the script is loaded and when it fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.lua import opcodes as op
from runtime.lua.analysis import Function, Local, analysed, read, reads, writes

if TYPE_CHECKING:
    from runtime.lua.program import Unit

_FILES = "read and write files in a Python function (function.py), keep values in a store (module store)"
_PROCESSES = "run programs in a Python function (function.py)"
#: What stands in for what Lua, or an earlier version of it, has and scripts have not.
INSTEAD: Mapping[str, str] = {
    "io": f"{_FILES}, and log with print or the module logger",
    "os.execute": _PROCESSES,
    "os.exit": "return from main, or raise with error(…)",
    "os.getenv": 'declare an env.variable and read it with env.get("NAME") in a function',
    "os.remove": _FILES,
    "os.rename": _FILES,
    "os.tmpname": _FILES,
    "os.setlocale": "text is UTF-8 and numbers are written as in C, everywhere",
    "debug": "an error has its stack: err:stack(), errors.call_stack(err)",
    "package": "list libraries under imports: and modules under modules:",
    "dofile": "list the file as a library.lua under imports: and require it",
    "loadfile": "list the file as a library.lua under imports: and require it",
    "loadstring": "use load",
    "collectgarbage": "memory is the host's concern; limits.memory bounds it",
    "unpack": "use table.unpack",
    "setfenv": "give load an environment",
    "getfenv": "give load an environment",
    "table.getn": "use #",
    "math.pow": "use ^",
    "string.dump": "load takes text only",
}


@dataclass(frozen=True, slots=True)
class Absent:
    """A use of such a name. `is_local`: it is a local, but further down."""

    name: str
    line: int
    text: str
    is_local: bool = False


def absent(main: Function, source: str | None, known: Iterable[str] = ()) -> Iterator[Absent]:
    """Every such use, but of the names `known` to be there. Without its `source` a declaration's line is known less exactly."""
    there = {*known, *writes(main)}
    for named in reads(main):
        path = next((path for path in (named.path[0], ".".join(named.path)) if path in INSTEAD), None)
        if path is not None and path not in there and path.partition(".")[0] not in writes(main):
            yield Absent(named.path[0], named.line, f"there is no {path} in a script: {INSTEAD[path]}")
    if not any(named.path[0] == "_G" for named in reads(main)):  # which may set any of them by name
        lines = source.split("\n") if source is not None else None
        yield from _later(main, [], there, lines)


def mends(units: Iterable[Unit]) -> Mapping[str, Mapping[str, str]]:
    """What to say of a failure, by file and line (as text)."""
    return {
        unit.name: {str(use.line): use.text for use in absent(read(unit.code), None, unit.modules)} for unit in units
    }


def absent_in(source: str, name: str, known: Iterable[str]) -> list[Absent]:
    return list(absent(analysed(source, name), source, known))


def _later(
    function: Function, around: Sequence[tuple[Function, int]], known: set[str], lines: Sequence[str] | None
) -> Iterator[Absent]:
    """`around`: the functions around it, innermost first, each with the instruction that makes the next."""
    for at, step in enumerate(function.code):
        if step.op == op.GETTABUP and function.upvalues[step.b] == "_ENV":
            name = str(function.constants[step.c])
            if name not in known:
                yield from _declared_later(name, step.line, [(function, at), *around], lines)
        elif step.op == op.CLOSURE:
            yield from _later(function.inner[step.bx], [(function, at), *around], known, lines)


def _declared_later(
    name: str, line: int, scopes: Sequence[tuple[Function, int]], lines: Sequence[str] | None
) -> Iterator[Absent]:
    for depth, (owner, at) in enumerate(scopes):
        for local in owner.locals:
            if local.name == name and local.start > at and (depth == 0 or local.end == len(owner.code)):
                declared = _line_of(owner, local, lines)
                if declared is not None and declared >= line:
                    above = _function_at(owner, at) if depth else f"line {line}"
                    text = f"`{name}` is a local declared at line {declared}; move it above {above}"
                    yield Absent(name, line, text, is_local=True)
                    return


def _line_of(owner: Function, local: Local, lines: Sequence[str] | None) -> int | None:
    """Where a local is declared; None for a variable of a loop."""
    before = owner.code[local.start - 1]
    if before.op in op.LOOPS:
        return None
    line = owner.inner[before.bx].line if before.op == op.CLOSURE else before.line
    if lines is None:
        return line
    declares = re.compile(rf"\blocal\b[^=]*\b{local.name}\b")
    return next((number for number in range(line, 0, -1) if declares.search(lines[number - 1])), line)


def _function_at(owner: Function, at: int) -> str:
    """What an author calls the function that an instruction makes."""
    step, after = owner.code[at], owner.code[at + 1]
    made = next((local.name for local in owner.locals if local.start == at + 1 and local.register == step.a), None)
    if made is None and after.op in (op.SETFIELD, op.SETTABUP):
        made = str(owner.constants[after.b])
    return f"`{made}`" if made is not None else f"line {owner.inner[step.bx].line}"
