"""The making of a program from a piece of text, for tests that need no registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runtime.lua.compiling import compile_script
from runtime.lua.program import Program, Unit


def program_from_source(
    source: str,
    *,
    modules: Sequence[str] = (),
    libraries: Mapping[str, str] | None = None,
    method: str = "main",
    memory: int = 64 * 1024 * 1024,
    instructions: int = 20_000_000,
) -> Program:
    """`source` as entry ``test:script`` in file ``script.lua``; each of `libraries` (alias → text) is imported by its alias.

    Raises `Error` INVALID with Lua's message when something does not compile.
    """
    libraries = libraries or {}
    imports = {alias: f"test:{alias}" for alias in libraries}
    units = {"test:script": _unit("script.lua", source, modules, imports)}
    for alias, text in libraries.items():
        units[f"test:{alias}"] = _unit(f"{alias}.lua", text, modules, {})
    return Program("test:script", method, "test", memory, instructions, units)


def _unit(name: str, text: str, modules: Sequence[str], imports: Mapping[str, str]) -> Unit:
    return Unit(name, compile_script(text, name, tuple(modules), tuple(imports)), tuple(modules), dict(imports))
