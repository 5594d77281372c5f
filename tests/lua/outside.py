"""Somebody outside a run: queries, updates, signals and cancels it on a test's behalf, through the plain client."""

from __future__ import annotations

from typing import Any

from runtime.contracts import Workflows
from runtime.errors import Error
from runtime.payload import Payload
from runtime.testing.registry_host import RegistryHost

_workflows: list[Workflows] = []


def use(workflows: Workflows) -> None:
    """The runs that `act` acts on from now on."""
    _workflows[:] = [workflows]


async def act(pid: str, action: str, *args: Any) -> dict[str, Any]:
    """One action on the run of a PID: {value} or {kind, message}."""
    run = pid.partition("|")[2].rstrip("}")
    workflows = _workflows[0]
    try:
        if action == "signal":
            await workflows.signal(run, args[0], [Payload.of(arg) for arg in args[1:]])
        elif action == "cancel":
            await workflows.cancel(run, *args)
        elif action == "query":
            return {"value": (await workflows.query(run, args[0], [Payload.of(arg) for arg in args[1:]])).value()}
        elif action == "update":
            return {"value": (await workflows.update(run, args[0], [Payload.of(arg) for arg in args[1:]])).value()}
        elif action == "describe":
            described = await workflows.describe(run)
            return {"value": {"memo": dict(described.memo)}}
        elif action == "details":
            return {"value": await _details(workflows, run)}
        else:
            raise AssertionError(f"unknown action {action}")
    except Error as error:
        return {"kind": error.kind, "message": error.message}
    return {"value": None}


async def _details(workflows: Workflows, run: str) -> Any:
    """What `workflow.status` gave; `describe` leaves it out when a busy worker does not answer at once."""
    for _ in range(60):
        described = await workflows.describe(run)
        if described.details is not None:
            return described.details
    raise AssertionError(f"{run} shows no details")


def act_virtually(host: RegistryHost, _pid: str, action: str, *args: Any) -> dict[str, Any]:
    """The same on the virtual host, whose run is the one that asks."""
    try:
        if action == "signal":
            host.send(args[0], *args[1:])
        elif action == "cancel":
            host.cancel(*args)
        elif action == "query":
            return {"value": host.query(args[0], *args[1:])}
        elif action == "update":
            return {"value": host.update(args[0], *args[1:])}
        else:
            raise AssertionError(f"unknown action {action}")
    except Error as error:
        return {"kind": error.kind, "message": error.message}
    return {"value": None}
