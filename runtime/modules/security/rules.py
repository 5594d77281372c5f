"""How policies decide. Pure: what comes in decides what comes out.

A policy has a say when one of its action patterns fits the action, one of its resource patterns fits the resource, and
all its conditions hold. Of those that have a say, one that denies wins over any number that allow; when none has, it
is undefined, which in a scope means no. A name in a scope that the registry does not know denies everything: a policy that was
taken away may have been one that denies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

from runtime.errors import Error, permission_denied
from runtime.late import late
from runtime.principal import Actor, Principal
from runtime.registry import Registry, SecurityPolicy
from runtime.registry.kinds.security import Condition

if TYPE_CHECKING:
    import re2
else:
    re2 = late("re2")

Effect = Literal["allow", "deny", "undefined"]

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Question:
    """May `actor` do `action`? `resources` are all the names of one thing: a rule about any of them is a rule about it."""

    actor: Actor | None
    action: str
    resources: Sequence[str]
    meta: Mapping[str, Any] = field(default_factory=dict)


def refuse(
    registry: Registry, principal: Principal, action: str, *resources: str, meta: Mapping[str, Any] | None = None
) -> None:
    """Raises `Error` PERMISSION_DENIED for what the principal's scope does not allow."""
    if not is_allowed(registry, principal, action, *resources, meta=meta):
        raise denied(principal, action, resources[0])


def is_allowed(
    registry: Registry, principal: Principal, action: str, *resources: str, meta: Mapping[str, Any] | None = None
) -> bool:
    if principal.scope is None:
        return True
    return decide(registry, principal.scope, Question(principal.actor, action, resources, meta or {})) == "allow"


def denied(principal: Principal, action: str, resource: str) -> Error:
    """Says what was refused and to whom, and nothing of the policies: in a workflow a replay has to say the same."""
    actor = principal.actor.id if principal.actor is not None else None
    details = {"action": action, "resource": resource, **({"actor": actor} if actor is not None else {})}
    text = f"{action} on {resource} is not allowed" + (f" to {actor}" if actor is not None else "")
    return permission_denied(text, **details)


def decide(registry: Registry, scope: Sequence[str], question: Question) -> Effect:
    """What the policies of a scope say together."""
    effect: Effect = "undefined"
    for name in scope:
        policies = policies_of(registry, name)
        if not policies:
            return "deny"
        for policy in policies:
            said = evaluate(policy, question)
            if said == "deny":
                return "deny"
            if said == "allow":
                effect = "allow"
    return effect


def policies_of(registry: Registry, name: str) -> list[SecurityPolicy]:
    """The policies that a name in a scope stands for: one, those of a group, or none."""
    entry = registry.get(name)
    if isinstance(entry, SecurityPolicy):
        return [registry.resolve(entry)]
    return [registry.resolve(item) for item in _groups(registry).get(name, ())]


def _groups(registry: Registry) -> Mapping[str, list[SecurityPolicy]]:
    """By their ids. A registry never changes, and asking it is what every command in a scope begins with."""
    known = _GROUPS.get(registry)
    if known is None:
        known = {}
        for policy in registry.of_kind(SecurityPolicy):
            for group in policy.group_ids:
                known.setdefault(group, []).append(policy)
        _GROUPS[registry] = known
    return known


_GROUPS: WeakKeyDictionary[Registry, dict[str, list[SecurityPolicy]]] = WeakKeyDictionary()


def evaluate(policy: SecurityPolicy, question: Question) -> Effect:
    """What one policy says."""
    rule = policy.policy
    if not any(fits(pattern, question.action) for pattern in rule.actions):
        return "undefined"
    named = [name for name in question.resources if any(fits(pattern, name) for pattern in rule.resources)]
    if any(all(_holds(condition, question, name) for condition in rule.conditions) for name in named):
        return rule.effect
    return "undefined"


def fits(pattern: str, name: str) -> bool:
    """Whether a name is as a pattern says; ``*`` stands for any text, also none. Takes no longer than both are long together."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == name
    last = rest.pop()
    if not name.startswith(first) or not name.endswith(last) or len(first) + len(last) > len(name):
        return False
    at, end = len(first), len(name) - len(last)
    for part in rest:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _holds(condition: Condition, question: Question, resource: str) -> bool:
    """Operators that say no (`ne`, `nin`, …) hold for what is not there; the others do not."""
    operator = condition.operator
    left = _value(condition.field, question, resource)
    if operator in ("exists", "nexists"):
        return (left is not _ABSENT) == (operator == "exists")
    right = condition.value if condition.value_from is None else _value(condition.value_from, question, resource)
    negated = operator in ("ne", "nin", "ncontains", "nmatches")
    if left is _ABSENT or right is _ABSENT:
        return negated
    return _compared(operator.removeprefix("n") if operator != "ne" else "eq", left, right) != negated


def _value(path: str, question: Question, resource: str) -> Any:
    if path == "action":
        return question.action
    if path == "resource":
        return resource
    if path == "actor.id":
        return question.actor.id if question.actor is not None else _ABSENT
    where: Any = question.actor.meta if path.startswith("actor.") and question.actor is not None else _ABSENT
    if path.startswith("meta."):
        where = question.meta
    for step in _steps(path):
        where = where.get(step, _ABSENT) if isinstance(where, Mapping) else _ABSENT
    return _ABSENT if where is None else where


def _steps(path: str) -> Iterator[str]:
    yield from path.removeprefix("actor.").removeprefix("meta.").split(".")


def _compared(operator: str, left: Any, right: Any) -> bool:
    """Values of different types are not equal, and neither is more than the other."""
    if operator == "eq":
        return _same(left, right)
    if operator == "in":
        return isinstance(right, list | tuple) and any(_same(left, item) for item in right)
    if operator == "contains":
        if isinstance(left, str):
            return isinstance(right, str) and right in left
        return isinstance(left, list | tuple) and any(_same(item, right) for item in left)
    if operator == "matches":
        return isinstance(left, str) and isinstance(right, str) and re2.search(right, left) is not None
    if not (_is_number(left) and _is_number(right)) and not (isinstance(left, str) and isinstance(right, str)):
        return False
    return bool({"lt": left < right, "lte": left <= right, "gt": left > right, "gte": left >= right}[operator])


def _same(left: Any, right: Any) -> bool:
    if _is_number(left) and _is_number(right):
        return bool(left == right)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(_same, left, right))
    return type(left) is type(right) and bool(left == right)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
