"""Outboxes: what is to be sent when a transaction of a database has been committed."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from runtime.registry.kinds.queue import DurableDriver
from runtime.registry.kinds.storage import Table
from runtime.registry.models import Reference, ServiceEntry


class OutboxRelay(DurableDriver):
    """A relay that sends on what transactions of `database` have put into its outbox, `concurrency` messages at once."""

    KIND = "outbox.relay"
    LIFECYCLE = ServiceEntry.LIFECYCLE | {"stop_timeout"}
    IS_STARTED = True
    REFERENCES: ClassVar[tuple[Reference, ...]] = (
        *ServiceEntry.REFERENCES,
        Reference(("database",), ("db.sql.sqlite", "db.sql.postgres")),
    )

    kind: Literal["outbox.relay"]
    database: str
    table: Table = "outbox"
    concurrency: int = Field(default=8, ge=1, le=1000)

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.database, *super().needs)
