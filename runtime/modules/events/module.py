"""events: what happens on this host, told to whoever subscribes."""

from __future__ import annotations

from runtime.errors import invalid, permission_denied
from runtime.modules.definition import HOST, HostCall, ModuleDef
from runtime.modules.events.bus import RUNTIME, EventSubscription, bus_of
from runtime.payload import Payload

MAX_DATA = 1024**2  # bytes
MAX_NAME = 1024  # bytes


async def subscribe(call: HostCall) -> int:
    """The number of a subscription, which ends with the execution."""
    bus = bus_of(call.process.resources)
    system, kind = _name(call, "system"), _name(call, "kind") if "kind" in call.data else "**"
    subscription = bus.subscribe(system, kind, call.process.pid)
    return call.process.handles.add(subscription, lambda: bus.unsubscribe(subscription))


async def unsubscribe(call: HostCall) -> bool:
    call.process.handles.close(call.data["sub"])
    return True


async def following(call: HostCall) -> Payload:
    """An array of events; waits for one."""
    subscription: EventSubscription = call.process.handles.get(call.data["sub"])
    return await subscription.next()


async def send(call: HostCall) -> bool:
    system, kind, path = _name(call, "system"), _name(call, "kind"), _name(call, "path")
    if system == RUNTIME:
        raise permission_denied(f"events of {RUNTIME} are the runtime's own")
    data = call.args[0] if call.args else None
    if data is not None and len(data.data) > MAX_DATA:
        raise invalid(f"the data of an event has at most {MAX_DATA} bytes")
    bus_of(call.process.resources).send(system, kind, path, data)
    return True


def _name(call: HostCall, field: str) -> str:
    text = str(call.data[field])
    if not 0 < len(text.encode()) <= MAX_NAME:
        raise invalid(f"the {field} of an event is 1 to {MAX_NAME} bytes long")
    return text


MODULE = ModuleDef(
    name="events",
    classes=frozenset({HOST}),
    summary="what happens on this host, told to whoever subscribes",
    unasked=frozenset({"events.next", "events.unsubscribe"}),
    commands={
        "events.subscribe": subscribe,
        "events.unsubscribe": unsubscribe,
        "events.next": following,
        "events.send": send,
    },
)
