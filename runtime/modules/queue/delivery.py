"""A message in the hands of its handler."""

from __future__ import annotations

import threading
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from runtime.errors import Error, internal, invalid
from runtime.late import late
from runtime.modules.queue.message import MessageQueue, QueueMessage

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = late("asyncio")


class QueueDelivery:
    """A message with one consumer. It is settled once: by what its handler says, else by how the handler ends. Made in the loop;
    `ack` and `nack` may be called from any thread."""

    def __init__(self, queue: MessageQueue, message: QueueMessage) -> None:
        self._queue = queue
        self._message = message
        self._settled = False
        self._settling = threading.Lock()
        self._loop = asyncio.get_running_loop()
        self._told: asyncio.Task[None] | None = None

    @property
    def id(self) -> str:
        return self._message.id

    @property
    def queue(self) -> str:
        """The id of the queue's entry."""
        return self._queue.entry.id

    @property
    def headers(self) -> Mapping[str, Any]:
        return self._message.headers

    @property
    def attempt(self) -> int:
        """From 1."""
        return self._message.attempt

    def ack(self) -> None:
        """The message is done with. Raises `Error` INVALID when it is settled already."""
        self._settle()
        self._loop.call_soon_threadsafe(lambda: self._tell(self._queue.ack(self._message)))

    def nack(self, reason: str = "") -> None:
        """The message is to be given again. Raises `Error` INVALID when it is settled already."""
        self._settle()
        self._loop.call_soon_threadsafe(lambda: self._tell(self._queue.nack(self._message, _refused(reason))))

    async def settle(self, how: str, reason: str) -> None:
        """The same, of a script: returns once the queue knows."""
        self._settle()
        message = self._message
        self._tell(self._queue.ack(message) if how == "ack" else self._queue.nack(message, _refused(reason)))
        assert self._told is not None
        await asyncio.shield(self._told)

    async def ended(self, error: Error | None) -> None:
        """How the handler ended, for a message that it did not settle itself. Returns once the queue knows. Raises `Error` when it does not answer."""
        if self._is_mine():
            if error is None:
                await self._queue.ack(self._message)
            else:
                await self._queue.nack(self._message, error)
        elif self._told is not None:
            await self._told

    async def abandon(self) -> None:
        """Its handler was ended from outside: somebody else is to have the message."""
        if self._is_mine():
            await self._queue.untake(self._message)

    def _settle(self) -> None:
        if not self._is_mine():
            raise invalid("the message is settled already")

    def _is_mine(self) -> bool:
        """Whether the caller, of all who may want to, is the one that settles it."""
        with self._settling:
            first, self._settled = not self._settled, True
        return first

    def _tell(self, change: Coroutine[Any, Any, None]) -> None:
        self._told = asyncio.ensure_future(change)


def _refused(reason: str) -> Error:
    return internal(reason or "its handler said nack", retryable=True)
