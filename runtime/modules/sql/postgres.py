"""PostgreSQL, by psycopg."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from runtime.late import late
from runtime.modules.sql.dialect import Begin, Dialect, Rows, raw_of
from runtime.modules.sql.overdue import Overdue
from runtime.registry.kinds.storage import Database

if TYPE_CHECKING:
    import psycopg
    from psycopg.pq import TransactionStatus
else:
    # Imported late: the driver takes as long as a small command, and only PostgreSQL needs it.
    psycopg = late("psycopg")

_CONNECT_TIMEOUT = 10  # seconds
_CANCEL, _HEEDED = (
    5.0,
    5.0,
)  # seconds: to cancel a statement, and until one that heeds no cancellation loses its connection
_CHUNK = 100  # rows that are taken from the server at once, where its library can


class Postgres(Dialect):
    name = "postgres"

    def __init__(self, entry: Database) -> None:
        super().__init__(entry)
        self._overdue = Overdue(self.statement_timeout, _end)

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        return (psycopg.Error,)

    def engine_options(self) -> Mapping[str, Any]:
        limit = f"-c statement_timeout={int(self.statement_timeout * 1000)}"
        return {
            "pool_pre_ping": True,
            "paramstyle": "numeric_dollar",
            "connect_args": {
                "cursor_factory": _cursor(),
                "options": limit,
                "connect_timeout": _CONNECT_TIMEOUT,
                "prepare_threshold": None,  # what is prepared is discarded with the rest when the connection is given back
            },
        }

    def own(self, raw: Any, statement: str) -> None:
        psycopg.RawCursor(raw).execute(statement)

    def begin(self, raw: Any, begin: Begin) -> None:
        """The question after it takes the snapshot: from then on the server lets nobody make the transaction one that writes."""
        level = f"ISOLATION LEVEL {begin.level} " if begin.level else ""
        self.own(raw, f"BEGIN {level}{begin.access}" + ("; SELECT 1" if begin.read_only else ""))

    def is_in(self, raw: Any, begin: Begin) -> bool:
        status: TransactionStatus = raw.info.transaction_status
        return status.name != "IDLE"

    def reset(self, raw: Any) -> None:
        raw.rollback()
        self.own(raw, "DISCARD ALL")

    @contextmanager
    def statement(self, raw: Any, sql: str, begin: Begin | None) -> Iterator[None]:
        with self._overdue.watched(raw):
            yield

    @contextmanager
    def rows(self, connection: Connection, sql: str, parameters: tuple[Any, ...]) -> Iterator[Rows]:
        with raw_of(connection).cursor() as cursor, closing(cursor.stream(sql, parameters, size=_chunk())) as rows:
            first = _first(rows)
            columns = [column.name for column in cursor.description or ()]
            yield Rows(columns, rows if first is None else _with(first, rows))


def _first(rows: Iterator[Any]) -> Any:
    """The first row; None of a statement that was carried out and gives none, which psycopg takes for a mistake."""
    try:
        return next(rows, None)
    except (
        psycopg.ProgrammingError
    ) as error:  # of its own, without a state of the server's, as for COPY, which it does not carry out
        if error.sqlstate is not None or "COPY" in str(error):
            raise
        return None


def _with(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def _chunk() -> int:
    return _CHUNK if psycopg.capabilities.has_stream_chunked() else 1


def _end(raw: Any, late: float) -> None:
    """A statement that is so late: it is cancelled; the connection of one that goes on all the same is broken."""
    if late < _HEEDED:
        raw.cancel_safe(timeout=_CANCEL)
    else:
        with socket.socket(fileno=os.dup(raw.fileno())) as connection:
            connection.shutdown(socket.SHUT_RDWR)


@cache
def _cursor() -> type[Any]:
    class Cursor(psycopg.RawCursor[Any]):
        """PostgreSQL's own `$1`, bound by the server; and one statement at a time, as the other databases have it: a text of several could
        end a transaction and go on outside of it."""

        def _execute_send(self, query: Any, **options: Any) -> None:
            super()._execute_send(query, **{**options, "force_extended": True})

    return Cursor
