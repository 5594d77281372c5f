"""Where a database is, as SQLAlchemy wants it said."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, make_url

from runtime.errors import invalid
from runtime.registry.kinds.storage import Database, ServerDatabase, SqlSqlite

MEMORY = ":memory:"
_DRIVERS = {"db.sql.postgres": "postgresql+psycopg", "db.sql.mysql": "mysql+pymysql"}


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
