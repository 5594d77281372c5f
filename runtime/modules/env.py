"""env: the registry's `env.variable` entries, and nothing else of the environment."""

from __future__ import annotations

from typing import Any

from runtime.errors import NOT_FOUND, PERMISSION_DENIED, Error, invalid
from runtime.modules.definition import HOST, HostCall, ModuleDef


async def get(call: HostCall) -> str:
    entry = _variable(call)
    value = _value(call.process, entry)
    if value is None:
        raise Error(NOT_FOUND, f"environment variable {call.data['name']} has no value", retryable=False)
    return value


async def get_all(call: HostCall) -> dict[str, str]:
    found = {_public_name(entry): _value(call.process, entry) for entry in _variables(call.process)}
    return {name: value for name, value in sorted(found.items()) if value is not None}


async def set_value(call: HostCall) -> bool:
    """Holds for this host from now on; the environment of the process itself is left alone."""
    entry = _variable(call)
    if entry.readonly:
        raise Error(PERMISSION_DENIED, f"environment variable {call.data['name']} is read-only", retryable=False)
    _overlay(call.process)[entry.id] = str(call.args[0].value())
    return True


def _variables(process: Any) -> list[Any]:
    return [entry for entry in process.registry.entries.values() if entry.kind == "env.variable"]


def _variable(call: HostCall) -> Any:
    """By entry id or by the variable's public name."""
    name = str(call.data["name"])
    if not name:
        raise invalid("empty name of an environment variable")
    for entry in _variables(call.process):
        if name in (entry.id, _public_name(entry)):
            return entry
    raise Error(NOT_FOUND, f"environment variable {name} is not registered", retryable=False)


def _public_name(entry: Any) -> str:
    return str(entry.variable or entry.name)


def _value(process: Any, entry: Any) -> str | None:
    overlay = _overlay(process)
    if entry.id in overlay:
        return overlay[entry.id]
    value = process.registry.environ.get(_public_name(entry))
    if value is None and entry.default is not None:
        value = process.registry.resolve(entry).default
    return None if value is None else str(value)


def _overlay(process: Any) -> dict[str, str]:
    overlay: dict[str, str] = process.resources.shared("env", dict)
    return overlay


MODULE = ModuleDef(
    name="env",
    classes=frozenset({HOST}),
    summary="registered environment variables",
    commands={"env.get": get, "env.get_all": get_all, "env.set": set_value},
)
