"""What a database said, as an error a script can act on: by SQLSTATE, SQLite's result code or MySQL's error number."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from runtime.errors import (
    ALREADY_EXISTS,
    CONFLICT,
    INVALID,
    PERMISSION_DENIED,
    TIMEOUT,
    UNAVAILABLE,
    Error,
    internal,
    invalid,
    permission_denied,
    timed_out,
    unavailable,
)

_LONGEST = 500

#: The first that a SQLSTATE begins with.
_SQLSTATES = (
    ("23505", ALREADY_EXISTS),
    ("40", CONFLICT),
    ("55P03", CONFLICT),
    ("57014", TIMEOUT),
    ("25006", PERMISSION_DENIED),
    ("42501", PERMISSION_DENIED),
    ("28", PERMISSION_DENIED),
    ("08P01", INVALID),  # more or fewer parameters than placeholders
    ("08", UNAVAILABLE),
    ("53", UNAVAILABLE),
    ("57P", UNAVAILABLE),
)
#: The first that the name of a SQLite result code begins with.
_SQLITE = (
    ("SQLITE_CONSTRAINT_UNIQUE", ALREADY_EXISTS),
    ("SQLITE_CONSTRAINT_PRIMARYKEY", ALREADY_EXISTS),
    ("SQLITE_CONSTRAINT_ROWID", ALREADY_EXISTS),
    ("SQLITE_BUSY", CONFLICT),
    ("SQLITE_LOCKED", CONFLICT),
    ("SQLITE_INTERRUPT", TIMEOUT),
    ("SQLITE_READONLY", PERMISSION_DENIED),
    ("SQLITE_AUTH", PERMISSION_DENIED),
    ("SQLITE_PERM", PERMISSION_DENIED),
    ("SQLITE_CANTOPEN", UNAVAILABLE),
    ("SQLITE_IOERR", UNAVAILABLE),
    ("SQLITE_FULL", UNAVAILABLE),
)
_MYSQL = {
    1062: ALREADY_EXISTS,
    1020: CONFLICT,  # MariaDB: the row has changed since the snapshot
    1205: CONFLICT,
    1213: CONFLICT,
    1317: TIMEOUT,
    1969: TIMEOUT,  # MariaDB's max_statement_time
    3024: TIMEOUT,
    1044: PERMISSION_DENIED,
    1045: PERMISSION_DENIED,
    1142: PERMISSION_DENIED,
    1792: PERMISSION_DENIED,
    1040: UNAVAILABLE,
    2003: UNAVAILABLE,
    2006: UNAVAILABLE,
    2013: UNAVAILABLE,
}
_RETRYABLE = frozenset({CONFLICT, TIMEOUT, UNAVAILABLE})


def translated(error: Exception, database: str) -> Error:
    """What a script is told. Of a connection it learns the entry, never address, user or password."""
    if isinstance(error, PoolTimeout):
        return timed_out(f"no connection to {database} came free in time")
    if isinstance(error, ModuleNotFoundError | NoSuchModuleError):
        return unavailable(f"the driver of {database} is not installed", retryable=False)
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(error, SQLAlchemyError) and not isinstance(error, DBAPIError):
        return internal(f"{database}: {str(error)[:_LONGEST]}")
    kind = _kind(cause)
    if kind == UNAVAILABLE or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return unavailable(f"no connection to {database}")
    if kind == PERMISSION_DENIED and _is_about_login(cause):
        return permission_denied(f"{database} refuses the login")
    text = str(cause).strip() or type(cause).__name__
    if kind == INVALID:
        return invalid(f"{database}: {text[:_LONGEST]}")
    return Error(kind, f"{database}: {text[:_LONGEST]}", retryable=kind in _RETRYABLE)


def _kind(cause: BaseException | None) -> str:
    if isinstance(cause, sqlite3.Error):
        name = getattr(cause, "sqlite_errorname", "")
        # Python's own complaints, such as a wrong number of parameters, have no result code.
        return next((kind for prefix, kind in _SQLITE if name.startswith(prefix)), INVALID)
    number = cause.args[0] if cause is not None and cause.args else None
    if isinstance(number, int):  # before the SQLSTATE, which MySQL has too, but one for many numbers
        return _MYSQL.get(number, INVALID)
    state = getattr(cause, "sqlstate", None)
    if state:
        return next((kind for prefix, kind in _SQLSTATES if state.startswith(prefix)), INVALID)
    # A failure of psycopg without SQLSTATE is one to connect, or to stay connected.
    return UNAVAILABLE if type(cause).__name__ in ("OperationalError", "InterfaceError") else INVALID


def _is_about_login(cause: BaseException | None) -> bool:
    number = cause.args[0] if cause is not None and cause.args else None
    return number in (1044, 1045) or str(getattr(cause, "sqlstate", "") or "").startswith("28")
