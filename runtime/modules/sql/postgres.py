"""PostgreSQL, by psycopg."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from runtime.late import late
from runtime.modules.sql.dialect import Begin, Dialect

if TYPE_CHECKING:
    import psycopg
    from psycopg.pq import TransactionStatus
else:
    # Imported late: the driver takes as long as a small command, and only PostgreSQL needs it.
    psycopg = late("psycopg")

_CONNECT_TIMEOUT = 10  # seconds


class Postgres(Dialect):
    name = "postgres"

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


@cache
def _cursor() -> type[Any]:
    class Cursor(psycopg.RawCursor[Any]):
        """PostgreSQL's own `$1`, bound by the server; and one statement at a time, as the other databases have it: a text of several could
        end a transaction and go on outside of it."""

        def _execute_send(self, query: Any, **options: Any) -> None:
            super()._execute_send(query, **{**options, "force_extended": True})

    return Cursor
