"""Every module there is, in one list. Names that clash stop the import."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from runtime.modules import (
    activity,
    base64,
    channel,
    crypto,
    ctx,
    env,
    errors,
    expr,
    funcs,
    hash,
    http,
    http_client,
    json,
    logger,
    os,
    outcome,
    payload,
    print,
    process,
    saga,
    sql,
    store,
    time,
    uuid,
    workflow,
    yaml,
)
from runtime.modules.definition import CommandHandler, ModuleDef, PureFunction

_ALL = (
    activity,
    base64,
    channel,
    crypto,
    ctx,
    env,
    errors,
    expr,
    funcs,
    hash,
    http,
    http_client,
    json,
    logger,
    os,
    outcome,
    payload,
    print,
    process,
    saga,
    sql,
    store,
    time,
    uuid,
    workflow,
    yaml,
)

_V = TypeVar("_V")


def _merge(parts: Iterable[Mapping[str, _V]], what: str) -> dict[str, _V]:
    merged: dict[str, _V] = {}
    for part in parts:
        for name, value in part.items():
            if name in merged:
                raise RuntimeError(f"two modules define the {what} {name!r}")
            merged[name] = value
    return merged


MODULES: Mapping[str, ModuleDef] = _merge(({item.MODULE.name: item.MODULE} for item in _ALL), "module")
FUNCTIONS: Mapping[str, PureFunction] = _merge((item.MODULE.functions for item in _ALL), "function")
COMMANDS: Mapping[str, CommandHandler] = _merge((item.MODULE.commands for item in _ALL), "command")

#: Modules that every script has, listed or not.
ALWAYS = ("process", "channel", "errors", "payload", "os", "print")
