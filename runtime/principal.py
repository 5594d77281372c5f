"""On whose behalf something runs: an actor, and the scope of what it may do. Travels from caller to callee, as context does.

An actor is a name and what is known of it; it allows and denies nothing. A scope is a list of names, of policies and of
groups of them. Without one nothing is asked; with one only what its policies allow is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from runtime.errors import invalid


@dataclass(frozen=True, slots=True)
class Actor:
    """`meta` is a JSON object."""

    id: str
    meta: Mapping[str, Any] = field(default_factory=dict)

    def to_wire(self) -> dict[str, Any]:
        return {"id": self.id, "meta": dict(self.meta)}

    @classmethod
    def read(cls, value: Any) -> Actor | None:
        """The inverse of `to_wire`; None for anything else."""
        if not isinstance(value, Mapping) or not isinstance(value.get("id"), str) or not value["id"]:
            return None
        meta = value.get("meta")
        return cls(value["id"], dict(meta) if isinstance(meta, Mapping) else {})


@dataclass(frozen=True, slots=True)
class Principal:
    """`scope` holds ids of policies and groups; None: no restriction. The empty scope allows nothing."""

    actor: Actor | None = None
    scope: tuple[str, ...] | None = None

    @classmethod
    def of(cls, actor: str | Mapping[str, Any] | None, scope: Sequence[str] | None) -> Principal:
        """As somebody who writes Python gives them. Raises `Error` INVALID for an actor without an id."""
        read = Actor.read({"id": actor} if isinstance(actor, str) else actor)
        if actor is not None and read is None:
            raise invalid("an actor is an id, or a mapping of id and meta")
        return cls(read, tuple(scope) if scope is not None else None)

    def changed_by(self, command: Mapping[str, Any]) -> Principal:
        """As whom a callee runs: the caller, but for what the command says otherwise."""
        actor = Actor.read(command["actor"]) if command.get("actor") is not None else self.actor
        scope = read_scope(command["scope"]) if command.get("scope") is not None else self.scope
        return self if (actor, scope) == (self.actor, self.scope) else Principal(actor, scope)

    def boot(self) -> dict[str, Any]:
        """Fields for the kernel's boot table."""
        fields: dict[str, Any] = {}
        if self.actor is not None:
            fields["actor"] = self.actor.to_wire()
        if self.scope is not None:
            fields["scope"] = list(self.scope)
        return fields


def read_scope(value: Any) -> tuple[str, ...] | None:
    """A scope in its wire form, a list of names. What is there but no list allows nothing, rather than everything."""
    if value is None:
        return None
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list | tuple) else ()


#: Nobody in particular, and not restricted.
NOBODY = Principal()


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of something: the context that travels with the call, the principal it acts for, and its PID, "" for nobody's.

    `depth`: how many runs and processes started one another before what is called: 0 for what nobody of these started.
    """

    context: Mapping[str, Any] = field(default_factory=dict)
    principal: Principal = NOBODY
    sender: str = ""
    depth: int = 0

    def deeper(self) -> Caller:
        """The caller of what it starts, as opposed to what it calls."""
        return replace(self, depth=self.depth + 1)


#: Somebody without a PID, who is not restricted and says nothing more.
ANYBODY = Caller()
