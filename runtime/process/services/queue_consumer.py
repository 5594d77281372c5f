"""The service of a `queue.consumer` entry, which calls a function with the messages of a queue."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any

from runtime.contracts import Trigger
from runtime.errors import Error
from runtime.modules.queue.delivery import QueueDelivery
from runtime.modules.queue.message import MessageQueue, QueueMessage
from runtime.modules.queue.queues import queues_of
from runtime.principal import Caller
from runtime.process.host_port import HostPort
from runtime.process.services.base import ServiceKeeper
from runtime.process.services.states import ServiceState
from runtime.registry import QueueConsumer

_log = logging.getLogger("evermoon.queues")

#: Seconds for which a handler that was asked to end, and has not, is waited for.
_LAST_MOMENTS = 2.0


class QueueConsumerKeeper(ServiceKeeper):
    """A consumer of one queue. It takes messages ahead of its handlers, `prefetch` at most with those that are handled, and gives back what it has not begun."""

    def __init__(
        self, host: HostPort, entry: QueueConsumer, mark: Any, state: ServiceState, needed: Sequence[ServiceState]
    ) -> None:
        super().__init__(entry, mark, state, needed)
        self._host = host
        self._func = entry.func
        self._queue_id = entry.queue
        self._concurrency = entry.concurrency
        self._room = asyncio.Semaphore(max(entry.prefetch, entry.concurrency))
        self._ahead: asyncio.Queue[QueueMessage] = asyncio.Queue()
        self._queue: MessageQueue | None = None
        self._handlers: set[asyncio.Task[None]] = set()
        self.stop_by: float | None = None
        """When it is to have stopped, by the monotonic clock."""

    @property
    def is_busy(self) -> bool:
        """Whether its queue has messages that can be handled now."""
        return self.state.up.is_set() and self._queue is not None and self._queue.is_busy

    @property
    def stop_timeout(self) -> float:
        """Seconds."""
        return self.entry.lifecycle.stop_timeout.total_seconds()

    async def quiet(self) -> None:
        """Returns once it is not busy."""
        if self.is_busy and self._queue is not None:
            await self._queue.quiet()

    async def stop(self) -> None:
        """Begins with no further message, and waits for those it has begun with until `stop_timeout` has passed, counted from
        when `drained` began if it did; then others may have them."""
        await self._cancel()
        await self._give_back()
        if self._handlers:
            left = self.stop_timeout if self.stop_by is None else max(0.0, self.stop_by - time.monotonic())
            await asyncio.wait(self._handlers, timeout=left)
        if self._handlers:
            _log.warning("%s: %d handlers did not end in time", self.entry.id, len(self._handlers))
            await self._end_handlers()
        if self._queue is not None and self.state.up.is_set():
            self._queue.consumers -= 1
        self.state.has_ended()

    async def _give_back(self) -> None:
        """What it has taken ahead, the last one first: each goes to the front of the queue."""
        ahead = [self._ahead.get_nowait() for _ in range(self._ahead.qsize())]
        for message in reversed(ahead):
            assert self._queue is not None
            await self._queue.untake(message)

    async def _end_handlers(self) -> None:
        """The first cancellation asks a handler to end, the second does not ask."""
        for _ in range(2):
            for task in self._handlers:
                task.cancel()
            if self._handlers:
                await asyncio.wait(self._handlers, timeout=_LAST_MOMENTS)

    async def _keep_up(self) -> None:
        await self._wait_for_needed()
        try:
            queue = await (await queues_of(self._host.resources)).of(self._host.registry, self._queue_id)
        except Error as error:  # a placeholder of the queue's, or a store that does not answer
            _log.error("%s does not start: %s", self.entry.id, error)
            self.state.tried.set()
            return
        assert queue is not None  # the registry's references hold
        self._queue = queue
        queue.consumers += 1
        self.state.is_up()
        fetching = asyncio.create_task(self._fetch(queue))
        try:
            while True:
                await self._turn()
                self._handle(queue, await self._ahead.get())
        finally:
            fetching.cancel()
            await asyncio.wait({fetching})

    async def _fetch(self, queue: MessageQueue) -> None:
        while True:
            await self._room.acquire()
            self._ahead.put_nowait(await queue.take())
            await asyncio.sleep(0)  # other consumers of the queue are to have their share

    async def _turn(self) -> None:
        while len(self._handlers) >= self._concurrency:
            await asyncio.wait(self._handlers, return_when=asyncio.FIRST_COMPLETED)

    def _handle(self, queue: MessageQueue, message: QueueMessage) -> None:
        task = asyncio.create_task(self._handled(QueueDelivery(queue, message), message), name=f"message {message.id}")
        self._handlers.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._handlers.discard(task)
        self._room.release()

    async def _handled(self, delivery: QueueDelivery, message: QueueMessage) -> None:
        problem = None
        try:
            await self._host.call(
                self._func,
                [message.body],
                caller=Caller(message.context, message.principal, message.sender),
                trigger=Trigger(message=delivery),
            )
        except Error as error:
            problem = error
            _log.warning("%s: message %s, attempt %d: %s", self.entry.id, message.id, message.attempt, error)
        except asyncio.CancelledError:
            await delivery.abandon()
            raise
        try:
            await delivery.ended(problem)
        except Error as error:
            _log.error(
                "%s: message %s is handled again, since its queue did not answer: %s", self.entry.id, message.id, error
            )


async def drained(consumers: Sequence[QueueConsumerKeeper]) -> None:
    """Waits until no queue of theirs has a message that can be handled now, what handlers publish included, or until the longest
    `stop_timeout` among them has passed."""
    limit = max((consumer.stop_timeout for consumer in consumers), default=0.0)
    for consumer in consumers:
        consumer.stop_by = time.monotonic() + consumer.stop_timeout
    try:
        async with asyncio.timeout(limit):
            while busy := [consumer for consumer in consumers if consumer.is_busy]:
                await busy[0].quiet()
    except TimeoutError:
        pass
