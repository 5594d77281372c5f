"""A message of a queue, and what is the same for the queues of every driver: what they take, and what becomes of a message that failed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from runtime.backoff import delay_after
from runtime.errors import CANCELED, INTERNAL, Error, invalid, rate_limited
from runtime.payload import BINARY, Payload
from runtime.principal import NOBODY, Principal
from runtime.registry.kinds.queue import QueueEntry

#: Headers of a dead letter, beside those the message had.
DEAD_QUEUE, DEAD_ERROR, DEAD_ATTEMPTS = "dead_letter.queue", "dead_letter.error", "dead_letter.attempts"


@dataclass(slots=True)
class QueueMessage:
    """`context`, `sender` and `principal` are those of its publisher; `attempt` counts its deliveries. `size` is in bytes, headers included.

    `delay`: seconds after which it may be taken. `lease`: what says, in a durable queue, whose it is at present.
    """

    body: Payload
    headers: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    sender: str = ""
    principal: Principal = NOBODY
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempt: int = 0
    size: int = 0
    delay: float = 0.0
    lease: str = ""


class MessageQueue(Protocol):
    """One queue, as publishers and consumers use it; in the loop. A message that is taken stays in it, unseen, until it is settled."""

    entry: QueueEntry
    consumers: int

    @property
    def is_busy(self) -> bool:
        """Whether a message would be lost, or never be handled, did the host end now."""
        ...

    async def quiet(self) -> None:
        """Returns once it is not busy."""
        ...

    async def info(self) -> dict[str, Any]: ...
    async def put(self, message: QueueMessage) -> None:
        """Once for an id. Raises `Error`: INVALID for a message that is too large or not of the queue's codec, RATE_LIMITED when it is full."""
        ...

    async def take(self) -> QueueMessage:
        """Waits for a message. Nothing has been taken when the wait is cancelled."""
        ...

    async def untake(self, message: QueueMessage) -> None:
        """Puts back, as if it had never been taken, a message nobody has begun with."""
        ...

    def ack(self, message: QueueMessage) -> Coroutine[Any, Any, None]: ...
    def nack(self, message: QueueMessage, error: Error) -> Coroutine[Any, Any, None]:
        """It is given again, later, unless that is of no use or has been tried often enough: then it is a dead letter."""
        ...


def admit(entry: QueueEntry, message: QueueMessage) -> None:
    """Gives a message the form that it is kept in. Raises `Error` INVALID."""
    message.body = _encoded(entry, message.body)
    message.size = len(message.body.data) + len(json.dumps(message.headers))
    limit = entry.driver_options.max_message
    if message.size > limit:
        raise invalid(f"a message of {message.size} bytes: {entry.id} takes {limit}")


def require_room(entry: QueueEntry, count: int, size: int, more: int) -> None:
    """Raises `Error` RATE_LIMITED when messages of so many bytes leave no room for one of `more`."""
    options = entry.driver_options
    if count >= options.max_length or size + more > options.max_bytes:
        raise rate_limited(f"{entry.id} is full", message_count=count, bytes=size)


def is_given_up(entry: QueueEntry, message: QueueMessage, error: Error) -> bool:
    """INTERNAL is what a raise is: what the handler tripped over may be gone. CANCELED is no word of the handler."""
    most = entry.driver_options.max_attempts
    is_worth_a_retry = error.kind in (INTERNAL, CANCELED) or error.is_retried
    return not is_worth_a_retry or bool(most and message.attempt >= most)


def delay_of(entry: QueueEntry, attempt: int, error: Error) -> float:
    """Seconds until the next attempt: what the error says, else what the queue does."""
    after = (error.details or {}).get("retry_after")
    if isinstance(after, int | float) and not isinstance(after, bool) and after >= 0:
        return after / 1000
    options = entry.driver_options
    first, longest = options.initial_delay.total_seconds(), options.max_delay.total_seconds()
    return delay_after(attempt, first, longest, options.backoff_factor)


def dead_letter(entry: QueueEntry, message: QueueMessage, error: Error) -> QueueMessage:
    said = {
        DEAD_QUEUE: entry.id,
        DEAD_ERROR: {"kind": error.kind, "message": str(error)},
        DEAD_ATTEMPTS: message.attempt,
    }
    return QueueMessage(
        message.body, {**message.headers, **said}, message.context, message.sender, message.principal, message.id
    )


def _encoded(entry: QueueEntry, body: Payload) -> Payload:
    is_json = body.encoding.startswith("json/")
    if entry.codec == "json":
        if not is_json:
            raise invalid(f"{entry.id} takes JSON values: its codec is json")
        return body
    value = body.value()
    if not isinstance(value, str | bytes):
        raise invalid(f"{entry.id} takes text and bytes: its codec is bytes")
    return Payload(BINARY, value.encode() if isinstance(value, str) else value)
