"""The shape of a module, as data: nothing is registered by side effect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime.contracts import ExecutionPort
from runtime.payload import Payload

DETERMINISTIC = "deterministic"  # same answer everywhere, touches nothing
WORKFLOW = "workflow"  # behaves deterministically inside a workflow
HOST = "host"  # not for workflows
PURE = "pure"  # no host at all

Scalar = None | bool | int | float | str | bytes

#: Called in the middle of a step, so: pure, quick, scalars only. Strings arrive as bytes. May raise `runtime.errors.Error`,
#: which the Lua half sees as ``nil, error``; a tuple comes back as several values.
PureFunction = Callable[..., Scalar | tuple[Scalar, ...]]


@dataclass(frozen=True, slots=True)
class HostCall:
    """One command of a host module, carried out between steps.

    `data` holds the command's fields (payloads resolved). `process` is what runs the script.
    """

    data: Mapping[str, Any]
    process: ExecutionPort

    @property
    def args(self) -> list[Payload]:
        args: list[Payload] = self.data.get("args") or []
        return args


#: Returns a JSON value, bytes or a `Payload`; raises `runtime.errors.Error`. Cancelled when the script cancels or ends.
CommandHandler = Callable[[HostCall], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class ModuleDef:
    """One module. `functions` are callable from its Lua half by ``K.host("<name>", ...)``, `commands` by ``K.command("<name>", ...)``.

    Names in both are full (``"time.format"``) and unique over all modules.
    """

    name: str
    classes: frozenset[str]
    summary: str
    functions: Mapping[str, PureFunction] = field(default_factory=dict)
    commands: Mapping[str, CommandHandler] = field(default_factory=dict)
    #: Commands that a scope is not asked about: they touch nothing but what the execution has (its response, an open handle), or ask for themselves.
    unasked: frozenset[str] = frozenset()
