"""Evermoon: durable workflows written in Lua, on Temporal.

Its names are imported when first used (PEP 562): the command line, and whoever needs one part, do not pay for the others.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.app.runtime import Runtime
    from runtime.errors import Error
    from runtime.registry import Registry
    from runtime.temporal.worker.plugin import LuaPlugin

__all__ = ["Error", "LuaPlugin", "Registry", "Runtime"]

_HOMES = {
    "Error": "runtime.errors",
    "LuaPlugin": "runtime.temporal.worker.plugin",
    "Registry": "runtime.registry",
    "Runtime": "runtime.app.runtime",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
