"""Queues, the drivers that keep their messages, and the consumers that take them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from runtime.registry.kinds.storage import Table
from runtime.registry.models import Model, Reference, ServiceEntry
from runtime.registry.units import Duration, Size

DRIVERS = ("queue.driver.memory", "queue.driver.sql", "queue.driver.redis")
FUNCTIONS = ("function.lua", "function.py")


#: The formats of `payload.format`, as a script may know them.
_FORMATS = {"json/plain": "json", "application/octet-stream": "bytes"}


def _codec(value: object) -> object:
    return _FORMATS.get(value, value) if isinstance(value, str) else value


Codec = Annotated[
    Literal["json", "bytes"], BeforeValidator(_codec), WithJsonSchema({"enum": ["json", "bytes", *_FORMATS]})
]


class QueueDriverMemory(ServiceEntry):
    """A driver that keeps messages in the host's memory, for as long as it runs."""

    KIND = "queue.driver.memory"

    kind: Literal["queue.driver.memory"]


class DurableDriver(ServiceEntry):
    """The base of drivers whose messages outlive the host. `lease`: for how long a message is its consumer's when the consumer's host has died;
    `remember`: for how long the id of a message is known that has been handled."""

    lease: Duration = Field(default=timedelta(seconds=30), gt=timedelta(0))
    remember: Duration = timedelta(hours=1)


class QueueDriverSql(DurableDriver):
    """A driver that keeps messages in a table of a database, which is made at its first use; without `database` in a SQLite file in the state directory."""

    KIND = "queue.driver.sql"
    REFERENCES: ClassVar[tuple[Reference, ...]] = (
        *ServiceEntry.REFERENCES,
        Reference(("database",), ("db.sql.sqlite", "db.sql.postgres")),
    )

    kind: Literal["queue.driver.sql"]
    database: str | None = None
    table: Table = "queue_messages"

    @property
    def needs(self) -> tuple[str, ...]:
        return (*([self.database] if self.database else []), *super().needs)


class QueueDriverRedis(DurableDriver):
    """A driver that keeps messages in a Redis server, under keys that begin with `prefix`."""

    KIND = "queue.driver.redis"

    kind: Literal["queue.driver.redis"]
    url: str = Field(min_length=1, repr=False)
    prefix: str = Field(default="evermoon", min_length=1)


class DriverOptions(Model):
    """The limits of a queue, and what becomes of a message whose handler fails.

    `max_attempts` counts the first delivery too. Before the next one it waits `initial_delay`, then `backoff_factor` times
    as long each time, up to `max_delay`; after the last one it goes to `dead_letter`, or is dropped.
    """

    max_length: int = Field(default=10_000, ge=1)
    max_bytes: Size = 64 * 1024**2
    max_message: Size = 1024**2
    max_attempts: int = Field(default=10, ge=0, description="0: without end")
    initial_delay: Duration = timedelta(seconds=1)
    max_delay: Duration = timedelta(minutes=1)
    backoff_factor: float = Field(default=2.0, ge=1)
    dead_letter: str | None = None


class QueueEntry(ServiceEntry):
    """A queue of messages in the order they were published. `codec`: `json` takes any value, `bytes` text and bytes only."""

    KIND = "queue.queue"
    REFERENCES: ClassVar[tuple[Reference, ...]] = (
        *ServiceEntry.REFERENCES,
        Reference(("driver",), DRIVERS),
        Reference(("driver_options", "dead_letter"), ("queue.queue",)),
    )

    kind: Literal["queue.queue"]
    driver: str
    codec: Codec = "json"
    driver_options: DriverOptions = DriverOptions.model_construct()

    @property
    def needs(self) -> tuple[str, ...]:
        dead_letter = self.driver_options.dead_letter
        return (self.driver, *([dead_letter] if dead_letter else []), *super().needs)


class QueueConsumer(ServiceEntry):
    """A consumer that calls `func` with each message, `concurrency` at once, and takes up to `prefetch` messages ahead of that."""

    KIND = "queue.consumer"
    LIFECYCLE = ServiceEntry.LIFECYCLE | {"stop_timeout"}
    IS_STARTED = True
    REFERENCES: ClassVar[tuple[Reference, ...]] = (
        *ServiceEntry.REFERENCES,
        Reference(("queue",), ("queue.queue",)),
        Reference(("func",), FUNCTIONS),
    )

    kind: Literal["queue.consumer"]
    queue: str
    func: str
    concurrency: int = Field(default=1, ge=1, le=1000)
    prefetch: int = Field(default=10, ge=1, le=10_000)

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.queue, *super().needs)
