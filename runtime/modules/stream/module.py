"""stream: what is published to those who follow a run."""

from __future__ import annotations

from typing import Any

from runtime.contracts import Cursor
from runtime.modules.definition import HOST, HostCall, ModuleDef
from runtime.modules.stream.streams import position_of
from runtime.modules.stream.subscription import StreamSubscription, wanted
from runtime.payload import NOTHING


async def publish(call: HostCall) -> bool:
    """Raises INVALID, for what cannot be published and where no run called."""
    data = call.args[0] if call.args else NOTHING
    run = call.data.get("run")
    position = position_of(call.data.get("position"))
    call.process.outlet.publish(str(call.data["name"]), data, position, str(run) if run else None)
    return True


async def subscribe(call: HostCall) -> int:
    """The number of a subscription, which ends with the execution. Raises INVALID, NOT_FOUND or UNAVAILABLE."""
    run, name, after = str(call.data["run"]), call.data.get("name"), call.data.get("after")
    cursor = Cursor.parse(str(after)) if after is not None else None
    handles = call.process.handles
    wants = wanted({str(name)} if name is not None else (), only_streams=True)
    subscription = StreamSubscription(run, call.process.follow(run, cursor), wants)
    number = handles.add(subscription, subscription.close)
    try:
        await subscription.opened()
    except BaseException:
        handles.close(number)
        raise
    return number


async def following(call: HostCall) -> list[dict[str, Any]]:
    """Events; waits for one."""
    subscription: StreamSubscription = call.process.handles.get(call.data["sub"])
    return await subscription.next()


async def unsubscribe(call: HostCall) -> bool:
    call.process.handles.close(call.data["sub"])
    return True


MODULE = ModuleDef(
    name="stream",
    classes=frozenset({HOST}),
    summary="what is published to those who follow a run, beside its history",
    unasked=frozenset({"stream.next", "stream.unsubscribe"}),
    commands={
        "stream.publish": publish,
        "stream.subscribe": subscribe,
        "stream.next": following,
        "stream.unsubscribe": unsubscribe,
    },
)
