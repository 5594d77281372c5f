"""Queues in the host's memory: messages in order, each with one consumer at a time, given again when its handler fails.

Everything runs in the loop without a pause, so each method is atomic by itself.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from runtime.errors import Error
from runtime.late import late
from runtime.modules.queue.message import QueueMessage, admit, delay_of, is_given_up, require_room
from runtime.registry.kinds.queue import QueueEntry

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = late("asyncio")

_log = logging.getLogger("evermoon.queues")

#: Seconds for which an id is known after its message has left the queue, and how many ids are.
_REMEMBERED, _MOST = 3600.0, 10_000

#: Gives up a message of a queue for the sake of an error.
Bury = Callable[[QueueEntry, QueueMessage, Error], Awaitable[None]]


class MemoryQueue:
    """A `MessageQueue` that ends with the host."""

    def __init__(self, entry: QueueEntry, bury: Bury) -> None:
        self.entry = entry
        self._bury = bury
        self._ready: deque[QueueMessage] = deque()
        self._waiting: dict[str, tuple[QueueMessage, asyncio.TimerHandle]] = {}
        self._taken: dict[str, QueueMessage] = {}
        self._known: dict[str, float] = {}
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

    async def info(self) -> dict[str, Any]:
        options = self.entry.driver_options
        return {
            "message_count": len(self),
            "ready": len(self) < options.max_length and self._bytes <= options.max_bytes,
            "in_flight": len(self._taken),
            "delayed": len(self._waiting),
            "consumer_count": self.consumers,
            "max_length": options.max_length,
        }

    async def quiet(self) -> None:
        while self.is_busy:
            await self._quiet.wait()

    async def put(self, message: QueueMessage) -> None:
        admit(self.entry, message)
        if message.id in self._known:
            return
        require_room(self.entry, len(self), self._bytes, message.size)
        self._known[message.id] = time.monotonic()
        self._bytes += message.size
        if message.delay > 0:
            self._wait(message, message.delay)
        else:
            self._add(message)

    async def take(self) -> QueueMessage:
        while not self._ready:
            self._arrived.clear()
            await self._arrived.wait()
        message = self._ready.popleft()
        message.attempt += 1
        self._taken[message.id] = message
        return message

    async def untake(self, message: QueueMessage) -> None:
        if self._taken.pop(message.id, None) is not None:
            message.attempt -= 1
            self._ready.appendleft(message)
            self._arrived.set()

    async def ack(self, message: QueueMessage) -> None:
        self._leave(message)

    async def nack(self, message: QueueMessage, error: Error) -> None:
        if is_given_up(self.entry, message, error):
            self._leave(message)
            await self._bury(self.entry, message, error)
            return
        del self._taken[message.id]
        self._wait(message, delay_of(self.entry, message.attempt, error))
        self._tell_if_quiet()

    async def close(self) -> None:
        """Forgets everything, and says so when there was something."""
        for _, handle in self._waiting.values():
            handle.cancel()
        if len(self):
            _log.warning("%s: messages that were not handled before the host ended: %d", self.entry.id, len(self))

    def _wait(self, message: QueueMessage, delay: float) -> None:
        handle = asyncio.get_running_loop().call_later(delay, self._again, message)
        self._waiting[message.id] = (message, handle)

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
        self._forget()
        self._tell_if_quiet()

    def _forget(self) -> None:
        """The ids of long ago, oldest first."""
        before = time.monotonic() - _REMEMBERED
        while self._known and (len(self._known) > len(self) + _MOST or next(iter(self._known.values())) < before):
            del self._known[next(iter(self._known))]

    def _tell_if_quiet(self) -> None:
        if not self.is_busy:
            self._quiet.set()
