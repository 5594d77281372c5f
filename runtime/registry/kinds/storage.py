"""Databases, and the key-value stores kept in memory or in them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from runtime.registry.models import Model, Reference, ServiceEntry
from runtime.registry.units import Duration, FrozenDict, FrozenText

DATABASES = ("db.sql.sqlite", "db.sql.postgres", "db.sql.mysql")

Table = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]


class ConnectionPool(Model):
    """A pool of connections. `size`: connections at most; `timeout`: how long to wait for a free one."""

    size: int = Field(default=8, ge=1, le=1000)
    timeout: Duration = timedelta(seconds=10)


class Database(ServiceEntry):
    """The base of databases of every kind."""

    pool: ConnectionPool = ConnectionPool.model_construct()
    statement_timeout: Duration = timedelta(seconds=30)


class SqlSqlite(Database):
    """A SQLite database in a file, made at its first use; `:memory:` is a database of this entry's own that ends with the host."""

    KIND = "db.sql.sqlite"

    kind: Literal["db.sql.sqlite"]
    database_file: str = Field(alias="file", min_length=1)


class ServerDatabase(Database):
    """A database on a server, named by its URL, by its parts, or by a URL whose parts are replaced."""

    url: str | None = Field(default=None, repr=False)
    host: str | None = None
    port: int | str | None = None
    database: str | None = None
    username: str | None = None
    password: str | None = Field(default=None, repr=False)
    options: FrozenText = Field(default_factory=FrozenDict)


class SqlPostgres(ServerDatabase):
    KIND = "db.sql.postgres"

    kind: Literal["db.sql.postgres"]


class SqlMysql(ServerDatabase):
    KIND = "db.sql.mysql"

    kind: Literal["db.sql.mysql"]


class Store(ServiceEntry):
    """The base of key-value stores. `max_size`: how many keys it holds at most; `sweep_interval`: how often expired ones are removed."""

    max_size: int = Field(default=10_000, ge=0, description="0: no limit")
    sweep_interval: Duration = timedelta(minutes=1)


class StoreMemory(Store):
    """A store in the memory of the host, kept for as long as it runs."""

    KIND = "store.memory"

    kind: Literal["store.memory"]


class StoreSql(Store):
    """A store in a table of a database, which is made at its first use."""

    KIND = "store.sql"
    REFERENCES: ClassVar[tuple[Reference, ...]] = (*ServiceEntry.REFERENCES, Reference(("database",), DATABASES))

    kind: Literal["store.sql"]
    database: str
    table: Table = "store"
    max_size: int = Field(default=0, ge=0, description="0: no limit")

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.database, *super().needs)
