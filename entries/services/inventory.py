"""The inventory service: stock that changes only under the version it was read at, reserved by saga id.

Cancelling a reservation that never came leaves a cancelled one behind, so that a reservation that was under way when
its saga gave up is refused when it arrives at last.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from aiohttp import web
from pydantic import Field

from entries.services import process
from entries.services.ledger import Answer
from entries.services.web import LEDGER, Request, SagaRequest, application, body, mutate
from evermoon.errors import ALREADY_EXISTS, CONFLICT, NOT_FOUND, Error

#: What a new inventory holds: nothing of one thing, so that running out can be tried.
STOCK = {"tea": 1000, "teapot": 1000, "samovar": 1000, "moonstone": 0}

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS stock (
    sku TEXT PRIMARY KEY, quantity INTEGER NOT NULL CHECK (quantity >= 0), version INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE IF NOT EXISTS reservations (
    saga_id TEXT PRIMARY KEY, status TEXT NOT NULL CHECK (status IN ('reserved', 'confirmed', 'cancelled'))
);
CREATE TABLE IF NOT EXISTS reserved (
    saga_id TEXT NOT NULL REFERENCES reservations, sku TEXT NOT NULL REFERENCES stock, quantity INTEGER NOT NULL
);
INSERT OR IGNORE INTO stock (sku, quantity) VALUES {", ".join(f"('{sku}', {held})" for sku, held in STOCK.items())};
"""


class Item(Request):
    sku: str = Field(min_length=1)
    quantity: int = Field(gt=0)


class Reserve(SagaRequest):
    items: list[Item] = Field(min_length=1)


class SetStock(Request):
    """`version` is the one the caller has seen; 0 for a new sku."""

    quantity: int = Field(ge=0)
    version: int = Field(ge=0)


async def reserve(request: web.Request) -> web.Response:
    asked = await body(request, Reserve)

    def change(connection: sqlite3.Connection) -> Answer:
        status = _status(connection, asked.saga_id)
        if status is not None:
            raise Error(ALREADY_EXISTS, f"the reservation of saga {asked.saga_id!r} is {status}", retryable=False)
        connection.execute("INSERT INTO reservations VALUES (?, 'reserved')", (asked.saga_id,))
        for item in asked.items:
            _take(connection, asked.saga_id, item)
        return {"saga_id": asked.saga_id, "status": "reserved"}

    return await mutate(request, "reserve_stock", asked, change)


async def confirm(request: web.Request) -> web.Response:
    asked = await body(request, SagaRequest)

    def change(connection: sqlite3.Connection) -> Answer:
        status = _status(connection, asked.saga_id)
        if status is None:
            raise Error(NOT_FOUND, f"no reservation of saga {asked.saga_id!r}", retryable=False)
        if status == "cancelled":
            raise Error(CONFLICT, f"the reservation of saga {asked.saga_id!r} is cancelled", retryable=False)
        connection.execute("UPDATE reservations SET status = 'confirmed' WHERE saga_id = ?", (asked.saga_id,))
        return {"saga_id": asked.saga_id, "status": "confirmed"}

    return await mutate(request, "confirm_reservation", asked, change)


async def cancel(request: web.Request) -> web.Response:
    asked = await body(request, SagaRequest)

    def change(connection: sqlite3.Connection) -> Answer:
        if _status(connection, asked.saga_id) in ("reserved", "confirmed"):
            sql = "SELECT sku, quantity FROM reserved WHERE saga_id = ?"
            for row in connection.execute(sql, (asked.saga_id,)).fetchall():
                _move(connection, row["sku"], row["quantity"])
        sql = (
            "INSERT INTO reservations VALUES (?, 'cancelled') ON CONFLICT (saga_id) DO UPDATE SET status = 'cancelled'"
        )
        connection.execute(sql, (asked.saga_id,))
        return {"saga_id": asked.saga_id, "status": "cancelled"}

    return await mutate(request, "cancel_reservation", asked, change)


async def set_stock(request: web.Request) -> web.Response:
    asked, sku = await body(request, SetStock), request.match_info["sku"]

    def change(connection: sqlite3.Connection) -> Answer:
        row = connection.execute("SELECT version FROM stock WHERE sku = ?", (sku,)).fetchone()
        version = row["version"] if row else 0
        if version != asked.version:
            raise Error(CONFLICT, f"{sku} is at version {version}, not {asked.version}", details={"version": version})
        connection.execute("INSERT OR REPLACE INTO stock VALUES (?, ?, ?)", (sku, asked.quantity, version + 1))
        return {"sku": sku, "quantity": asked.quantity, "version": version + 1}

    return await mutate(request, "set_stock", asked, change)


async def stock(request: web.Request) -> web.Response:
    return web.json_response(await request.app[LEDGER].rows("SELECT * FROM stock ORDER BY sku"))


async def reservations(request: web.Request) -> web.Response:
    sql = "SELECT saga_id, status, sku, quantity FROM reservations LEFT JOIN reserved USING (saga_id) ORDER BY 1, 3"
    return web.json_response(await request.app[LEDGER].rows(sql))


def _status(connection: sqlite3.Connection, saga_id: str) -> str | None:
    row = connection.execute("SELECT status FROM reservations WHERE saga_id = ?", (saga_id,)).fetchone()
    return str(row["status"]) if row else None


def _take(connection: sqlite3.Connection, saga_id: str, item: Item) -> None:
    row = connection.execute("SELECT quantity FROM stock WHERE sku = ?", (item.sku,)).fetchone()
    if row is None:
        raise Error(NOT_FOUND, f"no such thing as {item.sku!r}", retryable=False)
    if row["quantity"] < item.quantity:
        details = {"reason": "out_of_stock", "sku": item.sku, "available": row["quantity"], "asked": item.quantity}
        message = f"out of stock: {item.quantity} of {item.sku!r} asked, {row['quantity']} there"
        raise Error(CONFLICT, message, details=details)
    _move(connection, item.sku, -item.quantity)
    connection.execute("INSERT INTO reserved VALUES (?, ?, ?)", (saga_id, item.sku, item.quantity))


def _move(connection: sqlite3.Connection, sku: str, quantity: int) -> None:
    """Adds to the stock, if it is still as it was read: another process may have the same file open."""
    row = connection.execute("SELECT version FROM stock WHERE sku = ?", (sku,)).fetchone()
    sql = "UPDATE stock SET quantity = quantity + ?, version = version + 1 WHERE sku = ? AND version = ?"
    if connection.execute(sql, (quantity, sku, row["version"])).rowcount != 1:
        raise Error(CONFLICT, f"the stock of {sku!r} changed meanwhile", retryable=True)


def build(database: Path) -> web.Application:
    app = application("inventory", database, SCHEMA)
    app.router.add_post("/reservations", reserve)
    app.router.add_post("/reservations/confirm", confirm)
    app.router.add_post("/reservations/cancel", cancel)
    app.router.add_get("/reservations", reservations)
    app.router.add_put("/stock/{sku}", set_stock)
    app.router.add_get("/stock", stock)
    return app


if __name__ == "__main__":
    process.main(build)
