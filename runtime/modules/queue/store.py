"""The contract of what durable queues are kept in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from runtime.modules.queue.message import QueueMessage
from runtime.payload import Payload
from runtime.principal import Actor, Principal, read_scope
from runtime.registry.kinds.queue import QueueEntry


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """What is in a queue. `messages` are all of them, `bytes` their sizes together."""

    messages: int = 0
    bytes: int = 0
    in_flight: int = 0
    delayed: int = 0


class QueueStore(Protocol):
    """Messages by queue and id; times are those of the store's clock. Every method raises `runtime.errors.Error` (UNAVAILABLE, ...) and nothing else.

    A message that is taken has a lease, which others know nothing of: whoever has lost it (it has run out) changes nothing any more.
    """

    async def put(self, entry: QueueEntry, message: QueueMessage) -> None:
        """Unless its id is known, of a message that is there or left less than `remember` ago. Raises RATE_LIMITED."""
        ...

    async def take(self, queue: str, lease: float) -> QueueMessage | None:
        """The first that is due and that nobody has, for `lease` seconds, with its attempt counted."""
        ...

    async def renew(self, queue: str, messages: Sequence[QueueMessage], lease: float) -> set[str]:
        """The ids of those whose lease was not lost; it ends in `lease` seconds."""
        ...

    async def untake(self, queue: str, message: QueueMessage) -> None:
        """It is where it was before it was taken."""
        ...

    async def postpone(self, queue: str, message: QueueMessage, delay: float) -> None:
        """It is due again in so many seconds."""
        ...

    async def remove(self, queue: str, message: QueueMessage, remember: float) -> None:
        """Its id is known for `remember` seconds."""
        ...

    async def counts(self, queue: str) -> QueueCounts: ...
    async def close(self) -> None: ...


def about(message: QueueMessage) -> str:
    """What is kept of a message beside its body, as JSON."""
    said = {"headers": dict(message.headers), "context": dict(message.context), "sender": message.sender}
    return json.dumps({**said, **message.principal.boot()})


def message_of(id: str, body: Payload, text: str | bytes, attempt: int, lease: str) -> QueueMessage:
    """The inverse of `about`."""
    said = json.loads(text)
    principal = Principal(Actor.read(said.get("actor")), read_scope(said.get("scope")))
    return QueueMessage(
        body, said["headers"], said["context"], said["sender"], principal, id, attempt, len(body.data), lease=lease
    )
