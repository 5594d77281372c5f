"""What is in an outbox: a message with its destination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from runtime.errors import Error
from runtime.modules.queue.durable import DurableQueue
from runtime.modules.queue.message import QueueMessage
from runtime.modules.queue.sql import SqlQueueStore
from runtime.modules.sql.database import OpenDatabase
from runtime.registry.kinds.outbox import OutboxRelay
from runtime.registry.kinds.queue import DriverOptions, QueueEntry

#: How long one is kept back that could not be sent.
_FIRST, _LONGEST = timedelta(seconds=1), timedelta(minutes=1)
_MUCH = 2**53


@dataclass(frozen=True, slots=True)
class Destination:
    """The end of a letter's way: a queue (with `headers` and a delay in seconds), a workflow that is started (as `run`), or a run that gets a signal."""

    target: str
    headers: Mapping[str, Any] = field(default_factory=dict)
    delay: float = 0.0
    run: str = ""
    signal: str = ""

    def to_wire(self) -> dict[str, Any]:
        return asdict(self)


def destination(message: QueueMessage) -> Destination:
    return Destination(**message.headers)


def store_of(database: OpenDatabase, relay: OutboxRelay) -> SqlQueueStore:
    return SqlQueueStore(database, relay.table)


def entry_of(relay: OutboxRelay) -> QueueEntry:
    """The outbox as a queue without limits, in which nothing is given up."""
    options = DriverOptions(
        max_length=_MUCH, max_bytes=_MUCH, max_message=_MUCH, max_attempts=0, initial_delay=_FIRST, max_delay=_LONGEST
    )
    return QueueEntry(name=relay.name, kind="queue.queue", driver=relay.id, driver_options=options, place=relay.place)


def queue_of(database: OpenDatabase, relay: OutboxRelay) -> DurableQueue:
    return DurableQueue(entry_of(relay), relay, store_of(database, relay), _never)


async def _never(_: QueueEntry, message: QueueMessage, error: Error) -> None:
    raise AssertionError(f"{message.id} of an outbox is never given up") from error
