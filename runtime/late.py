"""Modules that are imported when something of them is first used: what few entries need, no command pays for.

Written beside the import that type checkers see; `tests/test_imports.py` holds late imports to the same rules as the others:

    if TYPE_CHECKING:
        from runtime.registry import sqlstore
    else:
        sqlstore = late("runtime.registry.sqlstore")
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any


class _Late(ModuleType):
    """Stands for a module of its name. Has nothing of its own, so whatever is asked of it is asked of the module."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


def late(module: str) -> Any:
    """The module of a full name, not imported yet. A name that there is none of shows when the module is used."""
    return _Late(module)
