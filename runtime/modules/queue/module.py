"""queue: messages for functions that take them one after another, apart from who sent them."""

from __future__ import annotations

import json
from typing import Any

from runtime.errors import internal, invalid, not_found
from runtime.modules.definition import HOST, HostCall, ModuleDef
from runtime.modules.queue.message import MessageQueue, QueueMessage
from runtime.modules.queue.queues import queues_of
from runtime.registry import Registry
from runtime.registry.kinds.queue import QueueEntry
from runtime.registry.problems import did_you_mean
from runtime.resources import Resources

MAX_HEADERS = 64 * 1024  # bytes, as JSON


async def publish(call: HostCall) -> bool:
    process = call.process
    message = QueueMessage(
        call.args[0], call.data.get("headers") or {}, process.context, process.pid, process.principal
    )
    message.id = str(call.data.get("message_id") or message.id)
    message.delay = float(call.data.get("delay_ns") or 0) / 1e9
    await put(process.resources, process.registry, str(call.data["id"]), message)
    return True


async def put(resources: Resources, registry: Registry, queue_id: str, message: QueueMessage) -> None:
    """Publishes on a host that has these. Raises NOT_FOUND for what is no queue, and what `MessageQueue.put` does."""
    queue = await (await queues_of(resources)).of(registry, queue_id)
    if queue is None:
        known = [entry.id for entry in registry.of_kind(QueueEntry)]
        raise not_found("queue", queue_id, did_you_mean(queue_id, known))
    if len(json.dumps(message.headers)) > MAX_HEADERS:
        raise invalid(f"the headers of a message have at most {MAX_HEADERS} bytes")
    await queue.put(message)


async def info(call: HostCall) -> dict[str, Any]:
    queue = await _queue(call)
    if queue is None:
        raise internal(f"no queue {call.data['id']}")
    return await queue.info()


async def settle(call: HostCall) -> bool:
    message = call.process.message
    if message is None:
        raise invalid("no message is being handled here")
    await message.settle(str(call.data["how"]), str(call.data.get("reason") or ""))
    return True


async def _queue(call: HostCall) -> MessageQueue | None:
    return await (await queues_of(call.process.resources)).of(call.process.registry, str(call.data["id"]))


MODULE = ModuleDef(
    name="queue",
    classes=frozenset({HOST}),
    summary="messages for functions that take them one after another",
    unasked=frozenset({"queue.settle"}),
    commands={"queue.publish": publish, "queue.info": info, "queue.settle": settle},
)
