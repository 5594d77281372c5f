"""security: the policies of the registry, as scripts ask them. What is asked of a host itself, `security_rules` decides directly."""

from __future__ import annotations

import json
from typing import Any

from runtime.errors import not_found
from runtime.modules.definition import HOST, HostCall, ModuleDef
from runtime.modules.security.rules import Question, decide, policies_of, refuse
from runtime.principal import Actor
from runtime.registry import SecurityPolicy


async def can(call: HostCall) -> bool:
    """Raises `Error` PERMISSION_DENIED for what the scope of the execution does not allow."""
    data, process = call.data, call.process
    refuse(process.registry, process.principal, data["action"], data["resource"], meta=json.loads(data["meta"]))
    return True


async def evaluate(call: HostCall) -> str:
    data = call.data
    question = Question(Actor.read(data.get("actor")), data["action"], [data["resource"]], json.loads(data["meta"]))
    return decide(call.process.registry, data["names"], question)


async def find(call: HostCall) -> bool:
    """Raises `Error` NOT_FOUND for a name that is none of a policy, of a group, or of either."""
    name, what = str(call.data["name"]), str(call.data["what"])
    is_policy = isinstance(call.process.registry.get(name), SecurityPolicy)
    known = bool(policies_of(call.process.registry, name))
    if not {"policy": is_policy, "group": known and not is_policy}.get(what, known):
        raise not_found(what, name)
    return True


async def policies(call: HostCall) -> list[str]:
    """Ids of the policies that the names of a scope stand for, each once, in order."""
    found: dict[str, Any] = {}
    for name in call.data["names"]:
        found |= {policy.id: None for policy in policies_of(call.process.registry, str(name))}
    return list(found)


MODULE = ModuleDef(
    name="security",
    classes=frozenset({HOST}),
    summary="the actor and the scope of an execution, and what policies say",
    commands={
        "security.can": can,
        "security.evaluate": evaluate,
        "security.find": find,
        "security.policies": policies,
    },
    # To ask what one may do changes nothing, and what `with_scope` takes is asked about when it is used.
    unasked=frozenset({"security.can", "security.evaluate", "security.find", "security.policies"}),
)
