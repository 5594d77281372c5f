"""Where a database is, as SQLAlchemy wants it said."""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import URL, make_url

from runtime.errors import invalid
from runtime.registry.kinds.storage import Database, ServerDatabase, SqlSqlite

MEMORY = ":memory:"
_DRIVERS = {"db.sql.postgres": "postgresql+psycopg", "db.sql.mysql": "mysql+pymysql"}
_CONNECT_TIMEOUT = 10  # seconds
_ANSWER = 5  # seconds that a server's answer may take longer than the statement


def url_of(entry: Database) -> URL:
    """Raises `Error` INVALID, without the URL, which may hold a password."""
    if isinstance(entry, SqlSqlite):
        return URL.create(
            "sqlite", database=MEMORY if entry.database_file == MEMORY else str(entry.root / entry.database_file)
        )
    assert isinstance(entry, ServerDatabase)
    try:
        url = make_url(entry.url) if entry.url else URL.create(_DRIVERS[entry.kind], host=entry.host or "127.0.0.1")
        parts: dict[str, Any] = {
            "host": entry.host,
            "port": int(entry.port) if entry.port is not None else None,
            "database": entry.database,
            "username": entry.username,
            "password": entry.password,
        }
        url = url.set(drivername=_DRIVERS[entry.kind], **{k: v for k, v in parts.items() if v is not None})
        return url.update_query_dict(dict(entry.options))
    except Exception as error:
        raise invalid(f"{entry.id}: not the URL of a database ({type(error).__name__})") from None


def connect_args(entry: Database) -> dict[str, Any]:
    seconds = entry.statement_timeout.total_seconds()
    if entry.kind == "db.sql.sqlite":
        return {"check_same_thread": False}
    if entry.kind == "db.sql.postgres":
        # Imported here: the driver takes as long as a small command, and only PostgreSQL needs it.
        from psycopg import RawCursor  # PostgreSQL's own `$1`, bound by the server

        options = f"-c statement_timeout={int(seconds * 1000)}"
        return {"cursor_factory": RawCursor, "options": options, "connect_timeout": _CONNECT_TIMEOUT}
    # The server ends a statement that takes too long, see `mysql_time_limit`; these are for one that does not answer.
    limit = math.ceil(seconds) + _ANSWER
    return {"connect_timeout": _CONNECT_TIMEOUT, "read_timeout": limit, "write_timeout": limit, "local_infile": False}


def mysql_time_limit(version: str, seconds: float) -> str:
    """The statement that has the server end others after so long. MySQL heeds it for SELECT only."""
    if "mariadb" in version.lower():
        return f"SET SESSION max_statement_time = {seconds:.3f}"
    return f"SET SESSION max_execution_time = {max(1, round(seconds * 1000))}"
