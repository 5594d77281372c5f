"""The payment service: create, approve, confirm, refund, each by way of a gateway that takes its time.

A payment is one a saga. Approval is declined when it exceeds what is left of the customer's balance. Refunding what
was never created leaves a refunded payment behind, so that a creation that was under way when its saga gave up is
refused when it arrives at last.
"""

from __future__ import annotations

import sqlite3
import uuid
from pathlib import Path

import click
from aiohttp import web
from pydantic import Field

from entries.services import process
from entries.services.gateway import Gateway
from entries.services.ledger import Answer
from entries.services.web import LEDGER, Request, SagaRequest, application, body, mutate
from evermoon.errors import ALREADY_EXISTS, CONFLICT, INVALID, NOT_FOUND, Error

GATEWAY = web.AppKey("gateway", Gateway)

#: In cents: what a customer has who has no account of his own, and the accounts of a new file.
BALANCE = 1_000_000
ACCOUNTS = {"penniless": 0}

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS accounts (customer TEXT PRIMARY KEY, balance INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS payments (
    payment_id TEXT PRIMARY KEY, saga_id TEXT NOT NULL UNIQUE, order_id TEXT, customer TEXT, amount INTEGER,
    status TEXT NOT NULL CHECK (status IN ('created', 'approved', 'confirmed', 'refunded'))
);
INSERT OR IGNORE INTO accounts VALUES {", ".join(f"('{name}', {cents})" for name, cents in ACCOUNTS.items())};
"""


class CreatePayment(SagaRequest):
    """`amount` is in cents."""

    order_id: str = Field(min_length=1)
    customer: str = Field(min_length=1)
    amount: int = Field(ge=0)


class SetGateway(Request):
    """`delay` is in seconds."""

    delay: float = Field(ge=0, le=600)


async def create(request: web.Request) -> web.Response:
    asked = await body(request, CreatePayment)

    def change(connection: sqlite3.Connection) -> Answer:
        if _payment(connection, asked.saga_id) is not None:
            raise Error(ALREADY_EXISTS, f"saga {asked.saga_id!r} has its payment already", retryable=False)
        payment_id = f"pay_{uuid.uuid4().hex}"
        row = (payment_id, asked.saga_id, asked.order_id, asked.customer, asked.amount)
        connection.execute("INSERT INTO payments VALUES (?, ?, ?, ?, ?, 'created')", row)
        return {"payment_id": payment_id, "status": "created"}

    return await mutate(request, "create_payment", asked, change, before=request.app[GATEWAY].visit)


async def approve(request: web.Request) -> web.Response:
    asked = await body(request, SagaRequest)

    def change(connection: sqlite3.Connection) -> Answer:
        payment = _expect(connection, asked.saga_id, "created")
        left = _left(connection, payment["customer"])
        if payment["amount"] > left:
            details = {"reason": "declined", "amount": payment["amount"], "left": left}
            message = f"payment declined: {payment['amount']} cents asked, {left} left"
            raise Error(INVALID, message, retryable=False, details=details)
        return _advance(connection, payment["payment_id"], "approved")

    return await mutate(request, "approve_payment", asked, change, before=request.app[GATEWAY].visit)


async def confirm(request: web.Request) -> web.Response:
    asked = await body(request, SagaRequest)

    def change(connection: sqlite3.Connection) -> Answer:
        payment = _expect(connection, asked.saga_id, "approved")
        return _advance(connection, payment["payment_id"], "confirmed")

    return await mutate(request, "confirm_payment", asked, change, before=request.app[GATEWAY].visit)


async def refund(request: web.Request) -> web.Response:
    asked = await body(request, SagaRequest)

    def change(connection: sqlite3.Connection) -> Answer:
        payment = _payment(connection, asked.saga_id)
        if payment is not None:
            return _advance(connection, payment["payment_id"], "refunded")
        row = (f"pay_{uuid.uuid4().hex}", asked.saga_id)
        connection.execute("INSERT INTO payments (payment_id, saga_id, status) VALUES (?, ?, 'refunded')", row)
        return {"payment_id": row[0], "status": "refunded"}

    return await mutate(request, "refund_payment", asked, change, before=request.app[GATEWAY].visit)


async def set_gateway(request: web.Request) -> web.Response:
    asked, gateway = await body(request, SetGateway), request.app[GATEWAY]

    def change(_: sqlite3.Connection) -> Answer:
        gateway.delay = asked.delay
        return {"delay": asked.delay}

    return await mutate(request, "set_gateway", asked, change)


async def show_gateway(request: web.Request) -> web.Response:
    gateway = request.app[GATEWAY]
    shown = {"delay": gateway.delay, "limit": gateway.limit, "busy": gateway.busy, "peak": gateway.peak}
    return web.json_response(shown)


async def payments(request: web.Request) -> web.Response:
    """All payments, or those of `?saga_id=`."""
    asked = request.query.get("saga_id")
    sql = "SELECT * FROM payments WHERE ? IS NULL OR saga_id = ? ORDER BY rowid"
    return web.json_response(await request.app[LEDGER].rows(sql, asked, asked))


def _payment(connection: sqlite3.Connection, saga_id: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute("SELECT * FROM payments WHERE saga_id = ?", (saga_id,)).fetchone()
    return row


def _expect(connection: sqlite3.Connection, saga_id: str, status: str) -> sqlite3.Row:
    payment = _payment(connection, saga_id)
    if payment is None:
        raise Error(NOT_FOUND, f"no payment of saga {saga_id!r}", retryable=False)
    if payment["status"] != status:
        raise Error(CONFLICT, f"the payment is {payment['status']}, not {status}", retryable=False)
    return payment


def _left(connection: sqlite3.Connection, customer: str) -> int:
    account = connection.execute("SELECT balance FROM accounts WHERE customer = ?", (customer,)).fetchone()
    sql = "SELECT coalesce(sum(amount), 0) FROM payments WHERE customer = ? AND status IN ('approved', 'confirmed')"
    (spent,) = connection.execute(sql, (customer,)).fetchone()
    return (account["balance"] if account else BALANCE) - int(spent)


def _advance(connection: sqlite3.Connection, payment_id: str, status: str) -> Answer:
    connection.execute("UPDATE payments SET status = ? WHERE payment_id = ?", (status, payment_id))
    return {"payment_id": payment_id, "status": status}


def build(database: Path, gateway_limit: int = 4, gateway_delay: float = 0.0) -> web.Application:
    app = application("payment", database, SCHEMA)
    app[GATEWAY] = Gateway(gateway_limit, gateway_delay)
    app.router.add_post("/payments", create)
    app.router.add_post("/payments/approve", approve)
    app.router.add_post("/payments/confirm", confirm)
    app.router.add_post("/payments/refund", refund)
    app.router.add_get("/payments", payments)
    app.router.add_put("/gateway", set_gateway)
    app.router.add_get("/gateway", show_gateway)
    return app


if __name__ == "__main__":
    process.main(
        build,
        click.Option(["--gateway-limit"], type=click.IntRange(min=1), default=4, help="calls served at once"),
        click.Option(["--gateway-delay"], type=click.FloatRange(min=0), default=0.0, help="seconds a call takes"),
    )
