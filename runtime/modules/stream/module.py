"""stream: what is published to those who follow a run."""

from __future__ import annotations

from runtime.modules.definition import HOST, HostCall, ModuleDef
from runtime.modules.stream.streams import position_of
from runtime.payload import NOTHING


async def publish(call: HostCall) -> bool:
    """Raises INVALID, for what cannot be published and where no run called."""
    data = call.args[0] if call.args else NOTHING
    run = call.data.get("run")
    position = position_of(call.data.get("position"))
    call.process.outlet.publish(str(call.data["name"]), data, position, str(run) if run else None)
    return True


MODULE = ModuleDef(
    name="stream",
    classes=frozenset({HOST}),
    summary="what is published to those who follow a run, beside its history",
    commands={"stream.publish": publish},
)
