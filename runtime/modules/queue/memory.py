"""Queues in the host's memory: messages in order, each with one consumer at a time, given again when its handler fails.

Everything runs in the loop without a pause, so each method is atomic by itself.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runtime.backoff import delay_after
from runtime.errors import CANCELED, INTERNAL, Error, invalid, not_found, rate_limited
from runtime.late import late
from runtime.payload import BINARY, Payload
from runtime.principal import NOBODY, Principal
from runtime.registry import Registry
from runtime.registry.kinds.queue import QueueEntry
from runtime.resources import Resources

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = late("asyncio")

_log = logging.getLogger("evermoon.queues")

#: Headers of a dead letter, beside those the message had.
DEAD_QUEUE, DEAD_ERROR, DEAD_ATTEMPTS = "dead_letter.queue", "dead_letter.error", "dead_letter.attempts"


@dataclass(slots=True)
class QueueMessage:
    """`context`, `sender` and `principal` are those of its publisher; `attempt` counts its deliveries. `size` is in bytes, headers included."""

    body: Payload
    headers: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    sender: str = ""
    principal: Principal = NOBODY
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempt: int = 0
    size: int = 0


class MemoryQueue:
    """One queue. A message that is taken stays in it, unseen, until it is settled."""

    def __init__(self, entry: QueueEntry, dead_letter: Callable[[str, QueueMessage], None]) -> None:
        self.entry = entry
        self._dead_letter = dead_letter
        self._ready: deque[QueueMessage] = deque()
        self._waiting: dict[str, tuple[QueueMessage, asyncio.TimerHandle]] = {}
        self._taken: dict[str, QueueMessage] = {}
        self._bytes = 0
        self._arrived, self._quiet = asyncio.Event(), asyncio.Event()
        self._quiet.set()
        self.consumers = 0

    def __len__(self) -> int:
        return len(self._ready) + len(self._waiting) + len(self._taken)

    @property
    def is_busy(self) -> bool:
        """Whether a message is ready or with a consumer; those that wait to be tried again do not count."""
        return bool(self._ready or self._taken)

    @property
    def info(self) -> dict[str, Any]:
        return {
            "message_count": len(self),
            "ready": not self._is_full(0),
            "in_flight": len(self._taken),
            "delayed": len(self._waiting),
            "consumer_count": self.consumers,
            "max_length": self.entry.driver_options.max_length,
        }

    async def quiet(self) -> None:
        """Returns once it is not busy."""
        while self.is_busy:
            await self._quiet.wait()

    def put(self, message: QueueMessage) -> None:
        """Raises `Error`: INVALID for a message that is too large or not of the queue's codec, RATE_LIMITED when it is full."""
        options = self.entry.driver_options
        message.body = _encoded(self.entry, message.body)
        message.size = len(message.body.data) + len(json.dumps(message.headers))
        if message.size > options.max_message:
            raise invalid(f"a message of {message.size} bytes: {self.entry.id} takes {options.max_message}")
        if self._is_full(message.size):
            raise rate_limited(f"{self.entry.id} is full", message_count=len(self), bytes=self._bytes)
        self._bytes += message.size
        self._add(message)

    async def take(self) -> QueueMessage:
        """Waits for a message. Nothing has been taken when the wait is cancelled."""
        while not self._ready:
            self._arrived.clear()
            await self._arrived.wait()
        message = self._ready.popleft()
        message.attempt += 1
        self._taken[message.id] = message
        return message

    def untake(self, message: QueueMessage) -> None:
        """Puts back, as if it had never been taken, a message nobody has begun with."""
        if self._taken.pop(message.id, None) is not None:
            message.attempt -= 1
            self._ready.appendleft(message)
            self._arrived.set()

    def ack(self, message: QueueMessage) -> None:
        self._leave(message)

    def nack(self, message: QueueMessage, error: Error) -> None:
        """It is given again, later, unless that is of no use or has been tried often enough: then it is a dead letter."""
        options = self.entry.driver_options
        if not _is_worth_a_retry(error) or (options.max_attempts and message.attempt >= options.max_attempts):
            self._leave(message)
            self._bury(message, error)
            return
        del self._taken[message.id]
        delay = _delay(self.entry, message.attempt, error)
        handle = asyncio.get_running_loop().call_later(delay, self._again, message)
        self._waiting[message.id] = (message, handle)
        self._tell_if_quiet()

    def close(self) -> None:
        """Forgets everything, and says so when there was something."""
        for _, handle in self._waiting.values():
            handle.cancel()
        if len(self):
            _log.warning("%s: messages that were not handled before the host ended: %d", self.entry.id, len(self))

    def _is_full(self, more: int) -> bool:
        options = self.entry.driver_options
        return len(self) >= options.max_length or self._bytes + more > options.max_bytes

    def _again(self, message: QueueMessage) -> None:
        del self._waiting[message.id]
        self._add(message)

    def _add(self, message: QueueMessage) -> None:
        self._ready.append(message)
        self._quiet.clear()
        self._arrived.set()

    def _leave(self, message: QueueMessage) -> None:
        del self._taken[message.id]
        self._bytes -= message.size
        self._tell_if_quiet()

    def _tell_if_quiet(self) -> None:
        if not self.is_busy:
            self._quiet.set()

    def _bury(self, message: QueueMessage, error: Error) -> None:
        target = self.entry.driver_options.dead_letter
        attempts = f"{message.attempt} attempt{'' if message.attempt == 1 else 's'}"
        if target is None:
            _log.error("%s: message %s is dropped after %s: %s", self.entry.id, message.id, attempts, error)
            return
        said = {
            DEAD_QUEUE: self.entry.id,
            DEAD_ERROR: {"kind": error.kind, "message": str(error)},
            DEAD_ATTEMPTS: message.attempt,
        }
        letter = QueueMessage(
            message.body, {**message.headers, **said}, message.context, message.sender, message.principal, message.id
        )
        try:
            self._dead_letter(target, letter)
        except Error as refused:
            _log.error(
                "%s: message %s is dropped after %s (%s): %s", self.entry.id, message.id, attempts, error, refused
            )


class Queues:
    """The queues of one host, each made at its first use."""

    def __init__(self) -> None:
        self._queues: dict[str, MemoryQueue] = {}
        self._registry: Registry

    def of(self, registry: Registry, entry_id: str) -> MemoryQueue | None:
        """The queue of an entry, with the options that `registry` gives it; None for what is no queue."""
        entry = registry.get(entry_id)
        if not isinstance(entry, QueueEntry):
            return None
        registry.services.require(entry)
        self._registry = registry
        resolved = registry.resolve(entry)
        queue = self._queues.get(entry_id)
        if queue is None:
            queue = self._queues[entry_id] = MemoryQueue(resolved, self._bury)
        queue.entry = resolved
        return queue

    def close(self) -> None:
        for queue in self._queues.values():
            queue.close()

    def _bury(self, entry_id: str, letter: QueueMessage) -> None:
        queue = self.of(self._registry, entry_id)
        if queue is None:
            raise not_found("queue", entry_id)
        queue.put(letter)


async def queues_of(resources: Resources) -> Queues:
    """The queues of the host whose these are."""
    return await resources.open("queues", _opened)


@asynccontextmanager
async def _opened() -> AsyncIterator[Queues]:
    queues = Queues()
    try:
        yield queues
    finally:
        queues.close()


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


def _is_worth_a_retry(error: Error) -> bool:
    """INTERNAL is what a raise is: what the handler tripped over may be gone. CANCELED is no word of the handler."""
    return error.kind in (INTERNAL, CANCELED) or error.is_retried


def _delay(entry: QueueEntry, attempt: int, error: Error) -> float:
    """Seconds until the next attempt: what the error says, else what the queue does."""
    after = (error.details or {}).get("retry_after")
    if isinstance(after, int | float) and not isinstance(after, bool) and after >= 0:
        return after / 1000
    options = entry.driver_options
    first, longest = options.initial_delay.total_seconds(), options.max_delay.total_seconds()
    return delay_after(attempt, first, longest, options.backoff_factor)
