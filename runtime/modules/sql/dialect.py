"""What one kind of database does otherwise than the others: how it is connected to, how a transaction begins, and how a connection
forgets whoever had it.

Each has a file of its own: `sqlite.py`, `postgres.py` and `mysql.py`. `raw` is a connection of the driver.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from runtime.registry.kinds.storage import Database

ISOLATION = {
    "default": "",
    "read_uncommitted": "READ UNCOMMITTED",
    "read_committed": "READ COMMITTED",
    "repeatable_read": "REPEATABLE READ",
    "serializable": "SERIALIZABLE",
}


@dataclass(frozen=True, slots=True)
class Begin:
    """How a transaction begins. SQLite is always serializable, which satisfies every level."""

    isolation: str = "default"
    read_only: bool = False

    @property
    def level(self) -> str:
        return ISOLATION[self.isolation]

    @property
    def access(self) -> str:
        return "READ ONLY" if self.read_only else "READ WRITE"


PLAIN = Begin()


@dataclass(frozen=True, slots=True)
class Rows:
    """A result as it is read: never all of it is held. No columns: the statement gives no rows."""

    columns: Sequence[str]
    values: Iterable[Sequence[Any]]


class Dialect:
    #: What scripts know the type as.
    name = ""

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What the driver raises."""
        raise NotImplementedError

    def __init__(self, entry: Database) -> None:
        self.id = entry.id
        self.statement_timeout = entry.statement_timeout.total_seconds()

    def engine_options(self) -> Mapping[str, Any]:
        raise NotImplementedError

    def prepare(self, raw: Any) -> None:
        """A connection that has just been made."""

    def own(self, raw: Any, statement: str) -> None:
        """A statement of ours, as opposed to one of a script."""
        raise NotImplementedError

    def begin(self, raw: Any, begin: Begin) -> None:
        raise NotImplementedError

    def is_in(self, raw: Any, begin: Begin) -> bool:
        """Whether the next statement runs in the transaction that was begun: the text of a statement may have ended it."""
        raise NotImplementedError

    def reset(self, raw: Any) -> None:
        """Has a connection forget whoever had it: open transactions, settings, temporary tables, locks. One that fails is closed."""
        raise NotImplementedError

    def written(self, sql: str, parameters: int) -> str:
        """A script's statement as the driver wants it."""
        return sql

    @contextmanager
    def statement(self, raw: Any, sql: str, begin: Begin | None) -> Iterator[None]:
        """Around a script's statement and the reading of its rows. `begin`: of the transaction that it is in."""
        yield

    @contextmanager
    def rows(self, connection: Connection, sql: str, parameters: tuple[Any, ...]) -> Iterator[Rows]:
        """The result of a script's statement, taken from the server piece by piece. What is left of it is passed over at the end."""
        result = connection.exec_driver_sql(sql, parameters)
        with closing(result):
            yield Rows(list(result.keys()), result) if result.returns_rows else Rows((), ())


def raw_of(connection: Connection) -> Any:
    return connection.connection.dbapi_connection
