"""The events of one host: whoever subscribes is told of what is sent from then on, in order. Nothing is kept for later.

Everything runs in the loop without a pause, so a subscription is live when `subscribe` returns.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from runtime.errors import canceled, limit_exceeded
from runtime.late import late
from runtime.payload import JSON, NULL, Payload
from runtime.resources import Resources

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = late("asyncio")

_log = logging.getLogger("evermoon.events")

#: What a subscriber may leave unread: so many events, of so many bytes. One that is further behind loses its subscription.
MAX_UNREAD = 10_000
MAX_UNREAD_BYTES = 16 * 1024**2
#: How many subscriptions a host has at most.
MAX_SUBSCRIPTIONS = 10_000
#: Events handed over at once.
_BATCH = 256
#: The system of what the runtime itself tells of; scripts cannot send in its name.
RUNTIME = "evermoon"


def pattern(text: str) -> Callable[[str], bool]:
    """Whether a name fits: `*` stands for one dotted part, `**` for any number of them."""
    if "*" not in text:
        return text.__eq__
    if text == "**":
        return lambda _: True
    parts = "".join(rf"\.{_part(part)}" if part != "**" else r"(?:\.[^.]*)*" for part in text.split("."))
    compiled = re.compile(parts, re.DOTALL)
    return lambda name: compiled.fullmatch("." + name) is not None


def _part(part: str) -> str:
    return "[^.]*" if part == "*" else re.escape(part)


class EventSubscription:
    """One reader, which asks for what comes next."""

    def __init__(self, system: str, kind: str, owner: str) -> None:
        self._system, self._kind = pattern(system), pattern(kind)
        self._owner = owner
        self._unread: deque[bytes] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()
        self.is_closed = False

    def wants(self, system: str, kind: str) -> bool:
        return self._system(system) and self._kind(kind)

    def add(self, event: bytes) -> None:
        if self.is_closed:
            return
        if len(self._unread) >= MAX_UNREAD or self._bytes + len(event) > MAX_UNREAD_BYTES:
            _log.warning("%s is %d events behind and hears of no more", self._owner, len(self._unread))
            self.close()
            return
        self._unread.append(event)
        self._bytes += len(event)
        self._arrived.set()

    async def next(self) -> Payload:
        """The unread events, as a JSON array; waits for one. Raises `Error` when it is closed and all is read."""
        while not self._unread and not self.is_closed:
            self._arrived.clear()
            await self._arrived.wait()
        if not self._unread:
            raise canceled("the subscription is closed")
        batch = [self._unread.popleft() for _ in range(min(len(self._unread), _BATCH))]
        self._bytes -= sum(map(len, batch))
        return Payload(JSON, b"[" + b",".join(batch) + b"]")

    def close(self) -> None:
        """What is unread may still be read."""
        self.is_closed = True
        self._arrived.set()


class EventBus:
    def __init__(self) -> None:
        self._subscriptions: dict[EventSubscription, None] = {}

    def subscribe(self, system: str, kind: str = "**", owner: str = "") -> EventSubscription:
        """Raises `Error` LIMIT_EXCEEDED."""
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            message = f"this host has {MAX_SUBSCRIPTIONS} subscriptions, as many as it may"
            raise limit_exceeded(message)
        subscription = EventSubscription(system, kind, owner)
        self._subscriptions[subscription] = None
        return subscription

    def unsubscribe(self, subscription: EventSubscription) -> None:
        self._subscriptions.pop(subscription, None)
        subscription.close()

    def send(self, system: str, kind: str, path: str, data: Payload | None = None) -> None:
        """Returns when every subscriber has it to read."""
        event = None
        for subscription in list(self._subscriptions):
            if subscription.wants(system, kind):
                event = event or _event(system, kind, path, data)
                subscription.add(event)
                if subscription.is_closed:
                    self._subscriptions.pop(subscription, None)

    def tell(self, kind: str, path: str, data: Mapping[str, Any]) -> None:
        """An event of the runtime's own."""
        if self._subscriptions:
            text = json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")  # texts of errors may be anything
            self.send(RUNTIME, kind, path, Payload(JSON, text))


def _event(system: str, kind: str, path: str, data: Payload | None) -> bytes:
    """JSON, the data as its text; bytes in base64."""
    head = json.dumps({"system": system, "kind": kind, "path": path}).encode()
    if data is None or data.encoding == NULL:
        return head
    if data.encoding.startswith("json/"):
        return head[:-1] + b',"data":' + data.data + b"}"
    return head[:-1] + b',"base64":"' + base64.b64encode(data.data) + b'"}'


def bus_of(resources: Resources) -> EventBus:
    """The bus of the host whose these are."""
    return resources.shared("events", EventBus)
