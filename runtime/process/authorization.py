"""The question that a command asks of policies: an action, and the names of what it acts on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runtime.lua.protocol import Command
from runtime.modules.catalogue import ASKED, COMMANDS
from runtime.modules.security.rules import refuse
from runtime.principal import Principal
from runtime.process.pids import Pid
from runtime.registry import Registry

#: Every name that a destination, as a script gives it, is known by.
Names = Callable[[str], Sequence[str]]

_STARTS = {
    "call": "funcs.call",
    "spawn": "process.spawn",
    "exec": "process.exec",
    "operation.start": "process.spawn",
}
_REACHES = {
    "send": "process.send",
    "cancel_process": "process.cancel",
    "terminate": "process.terminate",
    "query": "process.query",
    "monitor": "process.monitor",
    "link": "process.link",
}
_REGISTERS = {
    "registry.register": "process.registry.register",
    "registry.lookup": "process.registry.lookup",
    "registry.unregister": "process.registry.unregister",
}
#: Whoever follows a run or looks at it.
READ = "process.read"
#: Looking at an operation.
_OPERATIONS = ("operation.show", "operation.await")
#: What a program does with what it has: nobody is asked.
OWN = frozenset(
    {
        "attrs",
        "cancel",
        "handler",
        "log",
        "publish",
        "status",
        "timer",
        "unlink",
        "unmonitor",
        "update_accepted",
        "update_done",
    }
) | (COMMANDS.keys() - ASKED.keys())
#: Of a program that goes on as another.
UPGRADE = "process.upgrade"


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """A question to policies. All `resources` name one thing; messages name it by the first of them."""

    action: str
    resources: Sequence[str]
    meta: Mapping[str, Any] = field(default_factory=dict)


def asked(command: Command, names: Names) -> Iterator[AccessRequest]:
    """In order; nothing for what a program does with what it has."""
    data = command.data
    if command.op in _STARTS:
        yield from _as_somebody_else(command)
        yield AccessRequest(_STARTS[command.op], [str(data["id"])], {"host": data["host"]} if data.get("host") else {})
        yield from _to_the_running(command, names)
    elif command.op in _REACHES:
        meta: dict[str, Any] = {key: data[key] for key in ("topic", "name") if key in data}
        yield AccessRequest(_REACHES[command.op], names(str(data["to"])), meta)
    elif command.op in _REGISTERS:
        yield AccessRequest(_REGISTERS[command.op], [str(data["name"])])
    elif command.op == "stream.publish" and data.get("run"):  # to the run that called, the stream is all that it names
        yield AccessRequest(command.op, names(str(data["run"])), {"name": str(data["name"])})
    elif command.op == "stream.subscribe":
        yield AccessRequest(READ, names(str(data["run"])))
    elif command.op in _OPERATIONS:
        yield AccessRequest(READ, [str(data["id"])])
    elif command.op not in OWN:  # also what nobody has thought of yet
        named = data.get("id") or data.get("name") or data.get("system") or ASKED.get(command.op, command.op)
        yield AccessRequest(command.op, [str(named)])


def _as_somebody_else(command: Command) -> Iterator[AccessRequest]:
    for what in ("actor", "scope"):
        if command.data.get(what) is not None:
            yield AccessRequest("funcs.security" if command.op == "call" else "process.security", [what])


def _to_the_running(command: Command, names: Names) -> Iterator[AccessRequest]:
    """What a start does to the one that has its id already: it may be found, replaced, or sent to."""
    options = command.data.get("options") or {}
    id = options.get("id") or command.data.get("name")
    if command.op == "call" or not id:
        return
    policy = options.get("id_conflict_policy", "use_existing")
    if policy == "terminate_existing":
        yield AccessRequest("process.terminate", names(str(id)))
    if policy == "use_existing":
        if command.data.get("messages"):
            yield AccessRequest("process.send", names(str(id)))
        if command.data.get("monitor"):
            yield AccessRequest("process.monitor", names(str(id)))
        if command.data.get("link"):
            yield AccessRequest("process.link", names(str(id)))


def of_pid(to: str) -> list[str]:
    """Of a run its workflow id: what stands before that in a PID, whoever sends may choose. Of a process its PID."""
    pid = Pid.parse(to)
    return [pid.id if pid is not None and pid.node is None else to]


def check(registry: Registry, principal: Principal, command: Command, names: Names) -> None:
    """Raises `Error` PERMISSION_DENIED for a command that the scope does not allow."""
    if principal.scope is None:
        return
    for item in asked(command, names):
        refuse(registry, principal, item.action, *item.resources, meta=item.meta)
