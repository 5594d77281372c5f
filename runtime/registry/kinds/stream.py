"""Where the streams of runs are kept."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import Field

from runtime.registry.kinds.storage import Table
from runtime.registry.models import Reference, ServiceEntry
from runtime.registry.units import Duration, Size


class Stream(ServiceEntry):
    """The base of stream stores. Of one run it keeps so many events and bytes, for `keep` after nobody adds to them any more."""

    max_events: int = Field(default=100_000, ge=1)
    max_bytes: Size = 64 * 1024**2
    keep: Duration = timedelta(hours=24)


class StreamMemory(Stream):
    """Streams in the memory of the host: for those who follow a run by the same process."""

    KIND = "stream.memory"

    kind: Literal["stream.memory"]


class StreamSql(Stream):
    """Streams in tables of a database, which are made at their first use."""

    KIND = "stream.sql"
    REFERENCES: ClassVar[tuple[Reference, ...]] = (
        *ServiceEntry.REFERENCES,
        Reference(("database",), ("db.sql.sqlite", "db.sql.postgres")),
    )

    kind: Literal["stream.sql"]
    database: str
    table: Table = "stream"

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.database, *super().needs)


class StreamRedis(Stream):
    """Streams in a Redis server, under keys that begin with `prefix`."""

    KIND = "stream.redis"

    kind: Literal["stream.redis"]
    url: str = Field(min_length=1, repr=False)
    prefix: str = Field(default="evermoon", min_length=1)
