"""activity: what a function can know and say while it runs as an activity."""

from __future__ import annotations

from runtime.errors import invalid
from runtime.modules.definition import HOST, HostCall, ModuleDef
from runtime.payload import NOTHING


async def heartbeat(call: HostCall) -> bool:
    """The details reach the next attempt as `info().heartbeat_details`. Raises INVALID outside an activity."""
    if call.process.activity is None:
        raise invalid("not running as an activity")
    details = call.args[0] if call.args else NOTHING
    await call.process.outlet.kept()  # where the next attempt goes on, the stream has everything before
    call.process.activity.heartbeat(details.value())
    return True


async def is_canceled(call: HostCall) -> bool:
    activity = call.process.activity
    return activity is not None and activity.is_canceled()


MODULE = ModuleDef(
    name="activity",
    classes=frozenset({HOST}),
    summary="the activity that a function runs as: attempt, deadlines, heartbeat, idempotency key",
    unasked=frozenset({"activity.heartbeat", "activity.is_canceled"}),
    commands={"activity.heartbeat": heartbeat, "activity.is_canceled": is_canceled},
)
