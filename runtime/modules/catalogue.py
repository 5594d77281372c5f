"""Every module there is, in one list. Names that clash stop the import."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from runtime.modules import activity, base64, hash, matching, options, os, uuid, weighing, yaml
from runtime.modules.crypto import module as crypto
from runtime.modules.definition import (
    DETERMINISTIC,
    HOST,
    PURE,
    WORKFLOW,
    CommandHandler,
    ModuleDef,
    PureFunction,
)
from runtime.modules.env import module as env
from runtime.modules.events import module as events
from runtime.modules.expr import module as expr
from runtime.modules.http import module as http
from runtime.modules.http_client import module as http_client
from runtime.modules.json import module as json
from runtime.modules.outbox import module as outbox
from runtime.modules.queue import module as queue
from runtime.modules.security import module as security
from runtime.modules.sql import module as sql
from runtime.modules.store import module as store
from runtime.modules.stream import module as stream
from runtime.modules.text import module as text
from runtime.modules.time import module as time

_V = TypeVar("_V")


def _lua(name: str, kind: str, summary: str, **functions: PureFunction) -> ModuleDef:
    """A module that is Lua, but for the options it has the host check."""
    checked = {f"options.{what}": function for what, function in functions.items()}
    return ModuleDef(name=name, classes=frozenset({kind}), summary=summary, functions=checked)


def _merge(parts: Iterable[Mapping[str, _V]], what: str) -> dict[str, _V]:
    merged: dict[str, _V] = {}
    for part in parts:
        for name, value in part.items():
            if name in merged:
                raise RuntimeError(f"two modules define the {what} {name!r}")
            merged[name] = value
    return merged


_ALL = (
    activity.MODULE,
    base64.MODULE,
    _lua("channel", DETERMINISTIC, "channels and select"),
    crypto.MODULE,
    _lua("ctx", WORKFLOW, "context values that travel with calls"),
    env.MODULE,
    _lua("errors", DETERMINISTIC, "error objects and their kinds"),
    events.MODULE,
    expr.MODULE,
    _lua(
        "funcs",
        WORKFLOW,
        "call functions: activities in a workflow, on this host elsewhere",
        activity=options.activity_options_json,
    ),
    hash.MODULE,
    http.MODULE,
    http_client.MODULE,
    json.MODULE,
    _lua("logger", WORKFLOW, "structured log lines"),
    _lua("operation", HOST, "commands that are accepted once and carried out by a run"),
    os.MODULE,
    _lua("outcome", PURE, "ok, retry or fail: the results of an external call"),
    outbox.MODULE,
    _lua("payload", DETERMINISTIC, "values with a format"),
    _lua("print", WORKFLOW, "one log line"),
    _lua("process", WORKFLOW, "messages, events and starting others", workflow=options.workflow_options_json),
    queue.MODULE,
    _lua("saga", WORKFLOW, "compensations, last added first"),
    security.MODULE,
    sql.MODULE,
    store.MODULE,
    stream.MODULE,
    text.MODULE,
    time.MODULE,
    uuid.MODULE,
    _lua("workflow", WORKFLOW, "what only a run has: info, versions, attributes, queries, updates, status"),
    yaml.MODULE,
)
MODULES: Mapping[str, ModuleDef] = _merge(({item.name: item} for item in _ALL), "module")
FUNCTIONS: Mapping[str, PureFunction] = _merge(
    (*(item.functions for item in _ALL), matching.FUNCTIONS, weighing.FUNCTIONS), "function"
)
COMMANDS: Mapping[str, CommandHandler] = _merge((item.commands for item in _ALL), "command")

#: Commands that a scope is asked about.
ASKED: Mapping[str, str] = {
    command: item.name for item in _ALL for command in item.commands if command not in item.unasked
}

#: Modules that every script has, listed or not.
ALWAYS = ("process", "channel", "errors", "payload", "os", "print")
