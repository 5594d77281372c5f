"""A queue in a store that outlives the host: what was published stays there until a consumer has acknowledged it.

A consumer has a message for a time, its lease, which is renewed for as long as the host lives. When the host dies the lease runs out,
and the message is given to another consumer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from runtime.errors import Error, internal
from runtime.modules.queue.memory import Bury
from runtime.modules.queue.message import QueueMessage, admit, delay_of, is_given_up
from runtime.modules.queue.store import QueueStore
from runtime.registry.kinds.queue import DurableDriver, QueueEntry

_log = logging.getLogger("evermoon.queues")

#: Seconds between two looks for what another process has published, and until a store that did not answer is asked again.
_POLL, _PAUSE = 0.1, 1.0


class DurableQueue:
    """A `MessageQueue` in a store."""

    def __init__(self, entry: QueueEntry, driver: DurableDriver, store: QueueStore, bury: Bury) -> None:
        self.entry = entry
        self._store, self._bury = store, bury
        self._lease = driver.lease.total_seconds()
        self._remember = driver.remember.total_seconds()
        self._taken: dict[str, QueueMessage] = {}
        self._arrived = asyncio.Event()
        self._renewing: asyncio.Task[None] | None = None
        self._is_away = False
        self.consumers = 0

    @property
    def is_busy(self) -> bool:
        """Never: what is in the store is handled by others, or when the host is there again."""
        return False

    async def quiet(self) -> None:
        return

    async def info(self) -> dict[str, Any]:
        counts, options = await self._store.counts(self.entry.id), self.entry.driver_options
        return {
            "message_count": counts.messages,
            "ready": counts.messages < options.max_length and counts.bytes <= options.max_bytes,
            "in_flight": counts.in_flight,
            "delayed": counts.delayed,
            "consumer_count": self.consumers,
            "max_length": options.max_length,
        }

    async def put(self, message: QueueMessage) -> None:
        admit(self.entry, message)
        await self._store.put(self.entry, message)
        self._arrived.set()

    async def take(self) -> QueueMessage:
        while True:
            self._arrived.clear()
            found = await self._taken_from_store()
            if found is None:
                await self._look()
            elif self._is_exhausted(found):
                await self.nack(found, internal(f"its handler ended with its host, {found.attempt - 1} times"))
            else:
                return found

    async def untake(self, message: QueueMessage) -> None:
        """What cannot be told to the store it finds out when the lease has run out."""
        if self._taken.pop(message.id, None) is not None:
            try:
                await self._store.untake(self.entry.id, message)
            except Error as error:
                _log.warning("%s: message %s is given to others later: %s", self.entry.id, message.id, error)

    async def ack(self, message: QueueMessage) -> None:
        await self._settled(message, lambda: self._store.remove(self.entry.id, message, self._remember))

    async def nack(self, message: QueueMessage, error: Error) -> None:
        await self._settled(message, lambda: self._given_up_or_again(message, error))

    async def close(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)

    async def _settled(self, message: QueueMessage, tell: Callable[[], Awaitable[None]]) -> None:
        """A store that is away is told when it is back: as long as nobody else has the message, that it was handled is not lost."""
        until = time.monotonic() + self._lease
        try:
            while True:
                try:
                    await tell()
                    return
                except Error as error:
                    if not error.is_retried or time.monotonic() > until:
                        raise
                    _log.warning("%s: message %s is not settled yet: %s", self.entry.id, message.id, error)
                    await asyncio.sleep(_PAUSE)
        finally:
            self._taken.pop(message.id, None)

    async def _given_up_or_again(self, message: QueueMessage, error: Error) -> None:
        if is_given_up(self.entry, message, error):
            await self._bury(self.entry, message, error)  # first: were it lost in between, it would be buried again
            await self._store.remove(self.entry.id, message, self._remember)
        else:
            await self._store.postpone(self.entry.id, message, delay_of(self.entry, message.attempt, error))

    def _is_exhausted(self, message: QueueMessage) -> bool:
        most = self.entry.driver_options.max_attempts
        return bool(most and message.attempt > most)

    async def _taken_from_store(self) -> QueueMessage | None:
        taking = asyncio.ensure_future(self._store.take(self.entry.id, self._lease))
        try:
            found = await asyncio.shield(taking)
        except asyncio.CancelledError:
            await self._give_back(taking)
            raise
        except Error as error:
            await self._is_not_there(error)
            return None
        self._is_away = False
        if found is not None:
            self._taken[found.id] = found
            self._renewing = self._renewing or asyncio.create_task(self._renew(), name=f"{self.entry.id} leases")
        return found

    async def _give_back(self, taking: asyncio.Future[QueueMessage | None]) -> None:
        [found] = await asyncio.gather(taking, return_exceptions=True)
        if isinstance(found, QueueMessage):
            self._taken[found.id] = found
            await self.untake(found)

    async def _is_not_there(self, error: Error) -> None:
        if not self._is_away:
            _log.error("%s: no message can be taken; it is tried again: %s", self.entry.id, error)
        self._is_away = True
        await asyncio.sleep(_PAUSE)

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(_POLL):
                await self._arrived.wait()
        except TimeoutError:
            pass

    async def _renew(self) -> None:
        """Without end."""
        while True:
            await asyncio.sleep(self._lease / 3)
            held = list(self._taken.values())
            if not held:
                continue
            try:
                kept = await self._store.renew(self.entry.id, held, self._lease)
            except Error as error:
                _log.warning("%s: messages may be given to others as well: %s", self.entry.id, error)
                continue
            for message in held:
                if message.id not in kept and self._taken.pop(message.id, None) is not None:
                    _log.warning(
                        "%s: message %s is given to others as well: its lease ran out", self.entry.id, message.id
                    )
