"""The check for what scripts literally ask for and their entry may not have, made before anything runs.

The entry that runs is the one that counts, also in the code of what it imports.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from runtime.errors import Error
from runtime.late import late
from runtime.lua.analysis import ModuleCall, analysed, module_calls
from runtime.modules.env.module import is_granted, not_granted
from runtime.modules.http_client.guard import Policy, literal_address
from runtime.registry import EnvVariable, FunctionLua, LuaEntry, Problem, ProcessLua, Registry
from runtime.registry.problems import did_you_mean

if TYPE_CHECKING:
    import yarl
else:
    yarl = late("yarl")

#: Entries whose scripts may list these modules.
Runner = FunctionLua | ProcessLua

_MODULES = ("env", "http_client")
_METHODS = frozenset({"get", "post", "put", "patch", "delete", "head"})
#: A beginning of a URL that says where it leads, whatever comes after.
_PLACE = re.compile(r"https?://(?:\[[0-9A-Fa-f:.%]+\]|[^\[\]:/?#@\s]+)(?::[0-9]+)?[/?#]", re.IGNORECASE)
_LOOPBACK = "127.0.0.1"
_PUBLIC = "1.1.1.1"  # stands for what a name resolves to, where its address does not matter


def capability_problems(registry: Registry, entry: Runner) -> Iterator[Problem]:
    """Variables that it may not read, and places that it may not connect to; as notes, variables that there are none of."""
    for script in _scripts(registry, entry):
        listed = [name for name in _MODULES if name in script.modules]
        for call in _calls(script, listed) if listed else ():
            found = _variable(registry, entry, call) if call.module == "env" else _place(registry, entry, call)
            if found is not None:
                message, hint, severity = found
                yield Problem(
                    script.source.path, call.line, entry.id, message, hint, severity="note" if severity else "error"
                )


def _calls(script: LuaEntry, modules: Sequence[str]) -> Iterator[ModuleCall]:
    """None of a script that does not compile, which is another problem."""
    with suppress(Error):
        yield from module_calls(analysed(script.source.text, script.source.name), modules)


def _scripts(registry: Registry, entry: Runner) -> Iterator[LuaEntry]:
    """The entry and all it imports."""
    seen: set[str] = set()
    waiting = [entry.id]
    while waiting:
        item = registry.get(waiting.pop())
        if isinstance(item, LuaEntry) and item.id not in seen:
            seen.add(item.id)
            yield item
            waiting.extend(item.imports.values())


#: Message, hint, and whether it is only a note.
_Found = tuple[str, str | None, bool] | None


def _variable(registry: Registry, entry: Runner, call: ModuleCall) -> _Found:
    name, said = call.texts[0], f'env.{call.function}("{call.texts[0]}")'
    if call.function not in ("get", "set") or not (call.whole or len(call.texts) > 1) or not name:
        return None
    variables = registry.of_kind(EnvVariable)
    for variable in variables:
        if name in (variable.id, variable.variable):
            if is_granted(entry, variable):
                return None
            ids = [*(entry.env.variables or ()), variable.id]
            hint = f"give {entry.id} meta: {{env: {{variables: [{', '.join(ids)}]}}}}"
            return f"{said}: {not_granted(name, secret=variable.secret).message}", hint, False
    known = [*(variable.variable for variable in variables), *(variable.id for variable in variables)]
    return f"{said}: no env.variable is called so", did_you_mean(name, known), True


def _place(registry: Registry, entry: Runner, call: ModuleCall) -> _Found:
    at = 1 if call.function == "request" else 0 if call.function in _METHODS else None
    if at is None or at >= len(call.texts):
        return None
    written = call.texts[at]
    whole = call.whole or at + 1 < len(call.texts)
    try:
        url = yarl.URL(written if whole else _known(written))
        host, port = url.host or "", url.port
        policy = Policy.of(registry.resolve(entry).http_client)
    except (ValueError, Error):  # what is no URL, or lacks a variable, says so when it is used
        return None
    address = literal_address(host) or (_LOOPBACK if host == "localhost" or host.endswith(".localhost") else None)
    if url.scheme not in ("http", "https") or (address is None and policy.public):
        return None
    try:
        policy.check(host, port, address or _PUBLIC)
    except Error as error:
        hosts = ", ".join(f'"{name}"' for name in [*sorted(policy.hosts), host])
        hint = f"give {entry.id} meta: {{http_client: {{hosts: [{hosts}]}}}}"
        return f'http_client.{call.function}("{written[:100]}"): {error.message}', hint, False
    return None


def _known(beginning: str) -> str:
    """A URL to the place that a beginning of one names. Raises ValueError when more of it could still change that."""
    match = _PLACE.match(beginning)
    if match is None:
        raise ValueError
    return match.group()
