"""Every module there is, in one list. Names that clash stop the import."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import TypeVar

from runtime.modules import matching
from runtime.modules.definition import CommandHandler, ModuleDef, PureFunction

#: The modules, which are files of this package: each has a `MODULE`.
_NAMES = (
    "activity",
    "base64",
    "channel",
    "crypto",
    "ctx",
    "env",
    "errors",
    "events",
    "expr",
    "funcs",
    "hash",
    "http",
    "http_client",
    "json",
    "logger",
    "os",
    "outcome",
    "payload",
    "print",
    "process",
    "queue",
    "saga",
    "security",
    "sql",
    "store",
    "time",
    "uuid",
    "workflow",
    "yaml",
)

_V = TypeVar("_V")


def _module(name: str) -> ModuleDef:
    found = import_module(f"runtime.modules.{name}").MODULE
    assert isinstance(found, ModuleDef)
    return found


def _merge(parts: Iterable[Mapping[str, _V]], what: str) -> dict[str, _V]:
    merged: dict[str, _V] = {}
    for part in parts:
        for name, value in part.items():
            if name in merged:
                raise RuntimeError(f"two modules define the {what} {name!r}")
            merged[name] = value
    return merged


_ALL = [_module(name) for name in _NAMES]
MODULES: Mapping[str, ModuleDef] = _merge(({item.name: item} for item in _ALL), "module")
FUNCTIONS: Mapping[str, PureFunction] = _merge((*(item.functions for item in _ALL), matching.FUNCTIONS), "function")
COMMANDS: Mapping[str, CommandHandler] = _merge((item.commands for item in _ALL), "command")

#: Commands that a scope is asked about.
ASKED: Mapping[str, str] = {
    command: item.name for item in _ALL for command in item.commands if command not in item.unasked
}

#: Modules that every script has, listed or not.
ALWAYS = ("process", "channel", "errors", "payload", "os", "print")
