"""security: the policies of the registry, as scripts ask them. What is asked of a host itself, `security_rules` decides directly."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from runtime.errors import not_found
from runtime.modules.definition import HOST, CommandHandler, HostCall, ModuleDef
from runtime.modules.security.rules import Question, decide, policies_of, refuse
from runtime.principal import Actor, Principal
from runtime.registry import Registry, SecurityPolicy
from runtime.registry.problems import did_you_mean

#: What a registry answers somebody, from the fields of a command.
Answer = Callable[[Registry, Principal, Mapping[str, Any]], Any]


def can(registry: Registry, principal: Principal, data: Mapping[str, Any]) -> bool:
    """Raises `Error` PERMISSION_DENIED for what the scope of the execution does not allow."""
    refuse(registry, principal, data["action"], data["resource"], meta=json.loads(data["meta"]))
    return True


def evaluate(registry: Registry, _principal: Principal, data: Mapping[str, Any]) -> str:
    question = Question(Actor.read(data.get("actor")), data["action"], [data["resource"]], json.loads(data["meta"]))
    return decide(registry, data["names"], question)


def find(registry: Registry, _principal: Principal, data: Mapping[str, Any]) -> bool:
    """Raises `Error` NOT_FOUND for a name that is none of a policy, of a group, or of either."""
    name, what = str(data["name"]), str(data["what"])
    is_policy = isinstance(registry.get(name), SecurityPolicy)
    known = bool(policies_of(registry, name))
    if not {"policy": is_policy, "group": known and not is_policy}.get(what, known):
        policies = [policy.id for policy in registry.of_kind(SecurityPolicy)]
        raise not_found(what, name, did_you_mean(name, policies) if what == "policy" else None)
    return True


def policies(registry: Registry, _principal: Principal, data: Mapping[str, Any]) -> list[str]:
    """Ids of the policies that the names of a scope stand for, each once, in order."""
    found: dict[str, None] = {}
    for name in data["names"]:
        found |= {policy.id: None for policy in policies_of(registry, str(name))}
    return list(found)


def _command(answer: Answer) -> CommandHandler:
    async def carried_out(call: HostCall) -> Any:
        return answer(call.process.registry, call.process.principal, call.data)

    return carried_out


#: By command. None of them waits for anything.
ANSWERS: Mapping[str, Answer] = {
    "security.can": can,
    "security.evaluate": evaluate,
    "security.find": find,
    "security.policies": policies,
}


MODULE = ModuleDef(
    name="security",
    classes=frozenset({HOST}),
    summary="the actor and the scope of an execution, and what policies say",
    commands={name: _command(answer) for name, answer in ANSWERS.items()},
    # To ask what one may do changes nothing, and what `with_scope` takes is asked about when it is used.
    unasked=frozenset(ANSWERS),
)
