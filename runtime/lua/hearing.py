"""Where scripts do not hear of errors: their calls that take fewer results than it takes to see an error, read from their bytecode.

A function of the API that fails answers ``nil, err``. Who takes one result of it, or none, goes on as if nothing had been refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from runtime.lua.analysis import read
from runtime.lua.bindings import SourceCall, calls_of

if TYPE_CHECKING:
    from runtime.lua.program import Unit

#: Of a call by its name: what an author calls it, and how many results are taken; or that whoever called its function gets them all.
Hearing = tuple[str, int] | str
PASSED = "passed"
_VALUE_AND_ERROR = 2

#: What judges a value answers false or nil, which is what its caller asked for.
_JUDGES = frozenset({"validate", "validate_string"})
_JUDGING_MODULES = frozenset({"uuid", "os"})


def unheard_in(units: Iterable[Unit]) -> Mapping[str, Mapping[str, Mapping[str, Hearing]]]:
    """By file, line (as text) and the name that is called. What is called twice in a line, and is heard once, is not there."""
    return {unit.name: _of_file(unit.code) for unit in units}


def _of_file(code: bytes) -> Mapping[str, Mapping[str, Hearing]]:
    found: dict[str, dict[str, Hearing | None]] = {}
    for line, name, hearing in _named(code):
        here = found.setdefault(str(line), {})
        here[name] = hearing if here.get(name, hearing) == hearing else None
    kept = {line: {name: how for name, how in names.items() if how is not None} for line, names in found.items()}
    return {line: names for line, names in kept.items() if names}


def _named(code: bytes) -> Iterator[tuple[int, str, Hearing | None]]:
    for call in calls_of(read(code)):
        if call.name is not None:
            yield call.line, call.name, _hearing(call)


def _hearing(call: SourceCall) -> Hearing | None:
    if call.name in _JUDGES or (call.path or ("",))[0] in _JUDGING_MODULES:
        return None
    if call.wanted is None:
        return PASSED if call.is_returned else None
    return (_label(call), call.wanted) if call.wanted < _VALUE_AND_ERROR else None


def _label(call: SourceCall) -> str:
    if call.path:
        return ".".join(call.path)
    return f":{call.name}" if call.is_method else str(call.name)
