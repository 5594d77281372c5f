"""The service of an `outbox.relay` entry, which sends on what committed transactions have left in an outbox.

A message leaves the outbox when its target has it. A host that is killed in between sends it again, under the same id: a queue takes in an id once,
a run of that id is there already, and a run takes a signal of one request once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runtime.contracts import StartRequest
from runtime.errors import ALREADY_EXISTS, Error, unavailable
from runtime.late import late
from runtime.modules.queue.message import QueueMessage
from runtime.modules.queue.module import put
from runtime.principal import Caller
from runtime.process.host_port import HostPort
from runtime.process.services.base import ServiceKeeper
from runtime.process.services.states import ServiceState
from runtime.registry.kinds.outbox import OutboxRelay
from runtime.registry.kinds.queue import QueueEntry

if TYPE_CHECKING:
    from runtime.modules.outbox import letter
    from runtime.modules.queue.durable import DurableQueue
    from runtime.modules.sql import database as sql_database
else:
    letter, sql_database = late("runtime.modules.outbox.letter"), late("runtime.modules.sql.database")

_log = logging.getLogger("evermoon.outbox")

#: Seconds until a database that does not answer is asked again.
_PAUSE = 1.0


class OutboxRelayKeeper(ServiceKeeper):
    def __init__(
        self, host: HostPort, entry: OutboxRelay, mark: Any, state: ServiceState, needed: Sequence[ServiceState]
    ) -> None:
        super().__init__(entry, mark, state, needed)
        self._host = host
        self._relay = entry
        self._room = asyncio.Semaphore(entry.concurrency)
        self._sending: set[asyncio.Task[None]] = set()
        self._queue: DurableQueue | None = None

    async def stop(self) -> None:
        """What it has begun to send it sends, until `stop_timeout` has passed; the rest is sent by another relay, or later."""
        await self._cancel()
        if self._sending:
            await asyncio.wait(self._sending, timeout=self.entry.lifecycle.stop_timeout.total_seconds())
        for task in self._sending:
            task.cancel()
        if self._queue is not None:
            await self._queue.close()
        self.state.has_ended()

    async def _keep_up(self) -> None:
        await self._wait_for_needed()
        queue = self._queue = await self._opened()
        self.state.is_up()
        while True:
            await self._room.acquire()
            task = asyncio.create_task(self._send(queue, await queue.take()), name=f"outbox {self.entry.id}")
            self._sending.add(task)
            task.add_done_callback(self._sent)

    async def _opened(self) -> DurableQueue:
        is_told = False
        while True:
            try:
                database = await sql_database.shared(self._host.registry, self._host.resources, self._relay.database)
                await letter.store_of(database, self._relay).prepare()
                return letter.queue_of(database, self._relay)
            except Error as error:
                if not is_told:
                    _log.error("%s does not start yet: %s", self.entry.id, error)
                is_told = True
                self.state.tried.set()
            await asyncio.sleep(_PAUSE)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._room.release()

    async def _send(self, queue: DurableQueue, message: QueueMessage) -> None:
        to = letter.destination(message)
        try:
            await self._deliver(message)
        except Error as error:
            _log.warning(
                "%s: message %s to %s, attempt %d: %s", self.entry.id, message.id, to.target, message.attempt, error
            )
            with_patience = unavailable(str(error))
            await self._told(queue.nack(message, with_patience), message)
        else:
            await self._told(queue.ack(message), message)

    async def _told(self, change: Any, message: QueueMessage) -> None:
        try:
            await change
        except Error as error:
            _log.error(
                "%s: message %s is sent again, since its database did not answer: %s", self.entry.id, message.id, error
            )

    async def _deliver(self, message: QueueMessage) -> None:
        to = letter.destination(message)
        if isinstance(self._host.registry.get(to.target), QueueEntry):
            copy = QueueMessage(
                message.body, to.headers, message.context, message.sender, message.principal, message.id, delay=to.delay
            )
            await put(self._host.resources, self._host.registry, to.target, copy)
            return
        if self._host.workflows is None:
            raise unavailable("this host has no connection to Temporal")
        if to.signal:
            await self._host.workflows.signal(to.target, to.signal, [message.body], message.sender, message.id)
            return
        caller = Caller(message.context, message.principal, message.sender)
        options = {"id_conflict_policy": "fail", "id_reuse_policy": "reject_duplicate"}
        run = to.run or f"outbox-{message.id}"
        try:
            await self._host.workflows.start(
                StartRequest(to.target, [message.body], run, options=options, caller=caller)
            )
        except Error as error:
            if error.kind != ALREADY_EXISTS:
                raise
