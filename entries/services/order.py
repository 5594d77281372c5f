"""The order service: create, confirm, cancel. One order a saga.

Cancelling an order that never came leaves a cancelled one behind, so that a creation that was under way when its
saga gave up is refused when it arrives at last.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from aiohttp import web
from pydantic import Field

from entries.services import process
from entries.services.ledger import Answer
from entries.services.web import LEDGER, Request, SagaRequest, application, body, mutate
from evermoon.errors import ALREADY_EXISTS, CONFLICT, NOT_FOUND, Error

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    saga_id TEXT PRIMARY KEY, order_id TEXT UNIQUE, customer TEXT, amount INTEGER, items TEXT,
    status TEXT NOT NULL CHECK (status IN ('created', 'confirmed', 'cancelled'))
);
"""


class Item(Request):
    sku: str = Field(min_length=1)
    quantity: int = Field(gt=0)
    price: int = Field(ge=0)


class CreateOrder(SagaRequest):
    """`amount` and prices are in cents."""

    order_id: str = Field(min_length=1)
    customer: str = Field(min_length=1)
    amount: int = Field(ge=0)
    items: list[Item] = Field(min_length=1)


async def create(request: web.Request) -> web.Response:
    asked = await body(request, CreateOrder)

    def change(connection: sqlite3.Connection) -> Answer:
        row = (asked.saga_id, asked.order_id, asked.customer, asked.amount, json.dumps(asked.model_dump()["items"]))
        sql = "SELECT 1 FROM orders WHERE saga_id = ? OR order_id = ?"
        if connection.execute(sql, (asked.saga_id, asked.order_id)).fetchone():
            raise Error(ALREADY_EXISTS, f"the order {asked.order_id!r} exists already", retryable=False)
        connection.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?, 'created')", row)
        return {"order_id": asked.order_id, "status": "created"}

    return await mutate(request, "create_order", asked, change)


async def confirm(request: web.Request) -> web.Response:
    asked = await body(request, SagaRequest)

    def change(connection: sqlite3.Connection) -> Answer:
        row = connection.execute("SELECT order_id, status FROM orders WHERE saga_id = ?", (asked.saga_id,)).fetchone()
        if row is None:
            raise Error(NOT_FOUND, f"no order of saga {asked.saga_id!r}", retryable=False)
        if row["status"] == "cancelled":
            raise Error(CONFLICT, f"the order {row['order_id']!r} is cancelled", retryable=False)
        connection.execute("UPDATE orders SET status = 'confirmed' WHERE saga_id = ?", (asked.saga_id,))
        return {"order_id": row["order_id"], "status": "confirmed"}

    return await mutate(request, "confirm_order", asked, change)


async def cancel(request: web.Request) -> web.Response:
    asked = await body(request, SagaRequest)

    def change(connection: sqlite3.Connection) -> Answer:
        sql = (
            "INSERT INTO orders (saga_id, status) VALUES (?, 'cancelled') "
            "ON CONFLICT (saga_id) DO UPDATE SET status = 'cancelled' RETURNING order_id"
        )
        (row,) = connection.execute(sql, (asked.saga_id,)).fetchall()
        return {"order_id": row["order_id"], "status": "cancelled"}

    return await mutate(request, "cancel_order", asked, change)


async def show(request: web.Request) -> web.Response:
    rows = await request.app[LEDGER].rows("SELECT * FROM orders WHERE order_id = ?", request.match_info["id"])
    if not rows:
        raise Error(NOT_FOUND, f"no order {request.match_info['id']!r}", retryable=False)
    return web.json_response({**rows[0], "items": json.loads(rows[0]["items"])})


async def count(request: web.Request) -> web.Response:
    rows = await request.app[LEDGER].rows("SELECT status, count(*) AS orders FROM orders GROUP BY status")
    return web.json_response({row["status"]: row["orders"] for row in rows})


def build(database: Path) -> web.Application:
    app = application("order", database, SCHEMA)
    app.router.add_post("/orders", create)
    app.router.add_post("/orders/confirm", confirm)
    app.router.add_post("/orders/cancel", cancel)
    app.router.add_get("/orders", count)
    app.router.add_get("/orders/{id}", show)
    return app


if __name__ == "__main__":
    process.main(build)
