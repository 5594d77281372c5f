"""sql: the databases of the registry. A parameter goes out as a value of its own and is bound by the driver.

Rows come back as objects by column. What JSON has no form for comes as text (decimals, dates, UUIDs), but for bytes: these
come in base64, with their places beside the rows.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from runtime.errors import invalid, limit_exceeded
from runtime.late import late
from runtime.modules.definition import HOST, HostCall, ModuleDef
from runtime.payload import Payload

if TYPE_CHECKING:
    from sqlalchemy import Connection, CursorResult

    from runtime.modules.sql import database as sql_database
    from runtime.modules.sql import dialect as sql_dialect
    from runtime.modules.sql.database import OpenDatabase, Transaction
    from runtime.modules.sql.dialect import Begin, Rows
else:
    sql_database, sql_dialect = late("runtime.modules.sql.database"), late("runtime.modules.sql.dialect")

#: What carries a statement out on a connection: its text, its parameters, the transaction that it is in.
_CarryOut = Callable[["OpenDatabase", "Connection", str, tuple[Any, ...], "Begin | None"], dict[str, Any]]

MAX_ROWS = 100_000
MAX_BYTES = 32 * 1024 * 1024  # of text and bytes in one answer
_SAVEPOINT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_SAVEPOINT_FORMS = {"savepoint": "SAVEPOINT", "rollback_to": "ROLLBACK TO SAVEPOINT", "release": "RELEASE SAVEPOINT"}
_ENDS = {"commit": "COMMIT", "rollback": "ROLLBACK"}


async def get(call: HostCall) -> str:
    """The type of the database. Raises `Error` NOT_FOUND; does not connect yet."""
    return (await sql_database.database_of(call.process, str(call.data["id"]))).type


async def query(call: HostCall) -> dict[str, Any]:
    """`{rows, bytes}`; raises LIMIT_EXCEEDED for more than `MAX_ROWS` rows or `MAX_BYTES` bytes."""
    return await _run(
        call,
        lambda database, connection, sql, parameters, begin: database.query(connection, sql, parameters, _rows, begin),
    )


async def execute(call: HostCall) -> dict[str, Any]:
    """`{rows_affected, last_insert_id}`; the id where the database tells it."""
    return await _run(
        call,
        lambda database, connection, sql, parameters, begin: database.execute(
            connection, sql, parameters, _effect, begin
        ),
    )


async def begin(call: HostCall) -> int:
    """The number of a transaction, which is rolled back if it is open when the execution ends."""
    isolation = str(call.data.get("isolation") or "default")
    if isolation not in sql_dialect.ISOLATION:
        raise invalid(f"unknown isolation level {isolation!r}: {', '.join(sql_dialect.ISOLATION)}")
    database = await sql_database.database_of(call.process, str(call.data["id"]))
    transaction = await database.transaction(sql_dialect.Begin(isolation, call.data.get("read_only") is True))
    return call.process.handles.add(transaction, transaction.close)


async def end(call: HostCall) -> bool:
    transaction: Transaction = call.process.handles.get(call.data["tx"])
    try:
        await transaction.end(_ENDS[str(call.data["how"])])
    finally:
        call.process.handles.close(call.data["tx"])
    return True


async def savepoint(call: HostCall) -> bool:
    name, form = str(call.data["name"]), _SAVEPOINT_FORMS[str(call.data["how"])]
    if not _SAVEPOINT.fullmatch(name):
        raise invalid(f"not the name of a savepoint: {name[:80]!r}")
    transaction: Transaction = call.process.handles.get(call.data["tx"])
    await transaction.run(lambda connection: transaction.database.own(connection, f"{form} {name}"))
    return True


async def stats(call: HostCall) -> dict[str, int]:
    return (await sql_database.database_of(call.process, str(call.data["id"]))).stats


async def _run(call: HostCall, carry_out: _CarryOut) -> dict[str, Any]:
    """The statement of the call, in its transaction or by itself."""
    sql = str(call.data["sql"])
    parameters = tuple(_parameter(number, payload) for number, payload in enumerate(call.args, 1))
    number = call.data.get("tx")
    transaction: Transaction | None = call.process.handles.get(number) if number is not None else None
    database: OpenDatabase = (
        transaction.database if transaction else await sql_database.database_of(call.process, str(call.data["id"]))
    )

    def work(connection: Connection) -> dict[str, Any]:
        return carry_out(database, connection, sql, parameters, transaction.begun if transaction else None)

    return await (transaction or database).run(work)


def _parameter(number: int, payload: Payload) -> Any:
    value = payload.value()
    if value is not None and not isinstance(value, bool | int | float | str | bytes):
        raise invalid(f"parameter {number} is a table: a parameter is text, bytes, a number, a boolean or sql.NULL")
    return value


def _effect(result: CursorResult[Any]) -> dict[str, Any]:
    effect: dict[str, Any] = {"rows_affected": max(result.rowcount, 0)}
    try:
        last = result.lastrowid
    except AttributeError:  # PostgreSQL has none: `INSERT … RETURNING`
        last = None
    return effect | ({"last_insert_id": last} if last else {})


def _rows(result: Rows) -> dict[str, Any]:
    """What is beyond the limits is passed over, so that the transaction of the statement can go on."""
    rows: list[dict[str, Any]] = []
    places: list[tuple[int, str]] = []
    size = 0
    for row in result.values:
        if len(rows) > MAX_ROWS or size > MAX_BYTES:
            continue
        cells = dict(zip(result.columns, map(_plain, row), strict=True))
        rows.append(cells)
        for column, value in cells.items():
            size += len(value) if isinstance(value, str | bytes) else 8
            if isinstance(value, bytes):
                cells[column] = base64.b64encode(value).decode()
                places.append((len(rows), column))
    if len(rows) > MAX_ROWS or size > MAX_BYTES:
        raise limit_exceeded(f"a result of more than {MAX_ROWS} rows or {MAX_BYTES} bytes: read it in parts")
    return {"rows": rows, "bytes": places}


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, bool | int | str | dict | list):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


MODULE = ModuleDef(
    name="sql",
    classes=frozenset({HOST}),
    summary="SQLite, PostgreSQL and MySQL: bound parameters, transactions",
    unasked=frozenset({"sql.end", "sql.savepoint"}),
    commands={
        "sql.get": get,
        "sql.query": query,
        "sql.execute": execute,
        "sql.begin": begin,
        "sql.end": end,
        "sql.savepoint": savepoint,
        "sql.stats": stats,
    },
)
