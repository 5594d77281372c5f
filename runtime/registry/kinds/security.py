"""Policies, which say who may do what to what. Scopes are made of them; see docs/modules/security.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator
from pydantic_core import PydanticCustomError

from runtime.late import late
from runtime.registry.models import Entry, Model
from runtime.registry.units import Opaque

if TYPE_CHECKING:
    import re2
else:
    re2 = late("re2")

_ONE_OR_MORE = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}


def _listed(value: object) -> object:
    """One pattern may be written without the brackets of a list."""
    return (value,) if isinstance(value, str) else value


Patterns = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    BeforeValidator(_listed),
    Field(min_length=1),
    WithJsonSchema(_ONE_OR_MORE),
]


def _is_pattern(value: object) -> bool:
    try:
        re2.compile(str(value))
    except re2.error:
        return False
    return isinstance(value, str)


Operator = Literal[
    "eq", "ne", "lt", "lte", "gt", "gte", "in", "nin", "contains", "ncontains", "matches", "nmatches", "exists", "nexists"
]  # fmt: skip


class Condition(Model):
    """A condition that must hold for a policy to apply. `field`: ``actor.id``, ``actor.meta.…``, ``action``, ``resource``,
    ``meta.…``; compared with `value`, or with the field that `value_from` names."""

    field: str
    operator: Operator
    value: Opaque = None
    value_from: str | None = None

    @field_validator("field", "value_from")
    @classmethod
    def _known(cls, path: str | None) -> str | None:
        if path is None or path in ("actor.id", "action", "resource"):
            return path
        for start in ("actor.meta.", "meta."):
            if path.startswith(start) and all(path.removeprefix(start).split(".")):
                return path
        raise PydanticCustomError("field", "expects actor.id, actor.meta.NAME, action, resource or meta.NAME")

    @model_validator(mode="after")
    def _has_an_operand(self) -> Condition:
        given: set[str] = {"value", "value_from"} & self.model_fields_set
        if self.operator in ("exists", "nexists"):
            if given:
                raise PydanticCustomError("operand", "exists and nexists take no value")
        elif len(given) != 1:
            raise PydanticCustomError("operand", "needs either value or value_from")
        elif self.operator in ("in", "nin") and "value" in given and not isinstance(self.value, tuple):
            raise PydanticCustomError("operand", "in and nin take a list of values")
        elif self.operator in ("matches", "nmatches") and not _is_pattern(self.value):
            raise PydanticCustomError("operand", "matches and nmatches take a regular expression in RE2 syntax")
        return self


class Rule(Model):
    """The actions and resources that a policy is about. `actions` and `resources` are names in which ``*`` stands for any text."""

    actions: Patterns
    resources: Patterns
    effect: Literal["allow", "deny"]
    conditions: tuple[Condition, ...] = ()


class SecurityPolicy(Entry):
    """A policy that allows or denies actions on resources. `groups` are names under which scopes find it."""

    KIND = "security.policy"

    kind: Literal["security.policy"]
    policy: Rule
    groups: Annotated[tuple[str, ...], BeforeValidator(_listed), WithJsonSchema(_ONE_OR_MORE)] = ()

    @property
    def group_ids(self) -> tuple[str, ...]:
        """A bare name is of the policy's own namespace."""
        return tuple(name if ":" in name else f"{self.namespace}:{name}" for name in self.groups)


def scope_ids(names: Any, namespace: str) -> tuple[str, ...]:
    """Names of policies and groups as full ids."""
    return tuple(name if ":" in name else f"{namespace}:{name}" for name in names)
