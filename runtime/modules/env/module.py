"""env: the registry's `env.variable` entries, and nothing else of the environment."""

from __future__ import annotations

from runtime.contracts import ExecutionPort
from runtime.errors import Error, invalid, not_found, permission_denied
from runtime.modules.definition import HOST, HostCall, ModuleDef
from runtime.modules.env.storage import storage_of
from runtime.modules.security.rules import is_allowed, refuse
from runtime.registry import Entry, EnvVariable, FunctionLua, ProcessLua
from runtime.registry.problems import did_you_mean

MAX_VALUE = 64 * 1024  # bytes


async def get(call: HostCall) -> str:
    entry = _variable(call, "env.get")
    value = await _value(call.process, entry)
    if value is None:
        raise not_found("value of environment variable", call.data["name"])
    return value


async def get_all(call: HostCall) -> dict[str, str]:
    """Of those that may be read."""
    process = call.process
    found = {
        entry.variable: await _value(process, entry)
        for entry in process.registry.of_kind(EnvVariable)
        if is_granted(process.entry, entry)
        and is_allowed(process.registry, process.principal, "env.get", entry.variable, entry.id)
    }
    return {name: value for name, value in sorted(found.items()) if value is not None}


async def set_value(call: HostCall) -> bool:
    """Where the variable is kept. Of the environment only this host's view changes, never that of the process itself."""
    entry = _variable(call, "env.set")
    if entry.readonly:
        raise permission_denied(f"environment variable {call.data['name']} is read-only")
    value = call.args[0].value()
    if not isinstance(value, str) or "\0" in value or len(value.encode()) > MAX_VALUE:
        raise invalid(f"the value of a variable is text without NUL, of at most {MAX_VALUE} bytes")
    await storage_of(call.process, entry.storage).set(entry.variable, value)
    return True


def is_granted(reader: Entry, variable: EnvVariable) -> bool:
    """Whether an entry of the registry may read a variable of it: one that it names, or, when it names none, one that is no secret."""
    named = reader.env.variables if isinstance(reader, FunctionLua | ProcessLua) else ()
    return not variable.secret if named is None else variable.id in named


def _variable(call: HostCall, action: str) -> EnvVariable:
    """By entry id or by the variable's public name. Raises `Error` NOT_FOUND, or PERMISSION_DENIED for one that is not for this entry."""
    name = str(call.data["name"])
    if not name:
        raise invalid("empty name of an environment variable")
    for entry in call.process.registry.of_kind(EnvVariable):
        if name in (entry.id, entry.variable):
            refuse(call.process.registry, call.process.principal, action, name, entry.id, entry.variable)
            if not is_granted(call.process.entry, entry):
                raise not_granted(name, secret=entry.secret)
            return entry
    refuse(call.process.registry, call.process.principal, action, name)
    known = [
        entry.variable for entry in call.process.registry.of_kind(EnvVariable) if is_granted(call.process.entry, entry)
    ]
    raise not_found("environment variable", name, did_you_mean(name, known))


def not_granted(name: str, *, secret: bool) -> Error:
    """Of a variable that `is_granted` refuses."""
    why = "is secret" if secret else "is not one of this entry's"
    text = f"environment variable {name} {why}: the entry's meta.env.variables must name it"
    return permission_denied(text, name=name)


async def _value(process: ExecutionPort, entry: EnvVariable) -> str | None:
    value = await storage_of(process, entry.storage).get(entry.variable)
    if value is None and entry.default is not None:
        return str(process.registry.resolve(entry).default)
    return value


MODULE = ModuleDef(
    name="env",
    classes=frozenset({HOST}),
    summary="registered environment variables",
    unasked=frozenset({"env.get", "env.get_all", "env.set"}),  # they ask, under each of a variable's names
    commands={"env.get": get, "env.get_all": get_all, "env.set": set_value},
)
