"""The notification service: keeps what customers and staff were told."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from aiohttp import web
from pydantic import Field

from entries.services import process
from entries.services.ledger import Answer
from entries.services.web import LEDGER, SagaRequest, application, body, mutate

SCHEMA = """
CREATE TABLE IF NOT EXISTS notifications (
    number INTEGER PRIMARY KEY, saga_id TEXT NOT NULL, recipient TEXT NOT NULL, event TEXT NOT NULL, text TEXT NOT NULL
);
"""


class Notify(SagaRequest):
    """`event` says in one word what happened, `text` is what the recipient reads."""

    recipient: str = Field(min_length=1)
    event: str = Field(min_length=1)
    text: str


async def notify(request: web.Request) -> web.Response:
    asked = await body(request, Notify)

    def change(connection: sqlite3.Connection) -> Answer:
        sql = "INSERT INTO notifications (saga_id, recipient, event, text) VALUES (?, ?, ?, ?) RETURNING number"
        (row,) = connection.execute(sql, (asked.saga_id, asked.recipient, asked.event, asked.text)).fetchall()
        return {"number": row["number"]}

    return await mutate(request, "notify", asked, change)


async def notifications(request: web.Request) -> web.Response:
    """All notifications, or those of `?saga_id=`."""
    asked = request.query.get("saga_id")
    sql = "SELECT * FROM notifications WHERE ? IS NULL OR saga_id = ? ORDER BY number"
    return web.json_response(await request.app[LEDGER].rows(sql, asked, asked))


def build(database: Path) -> web.Application:
    app = application("notification", database, SCHEMA)
    app.router.add_post("/notifications", notify)
    app.router.add_get("/notifications", notifications)
    return app


if __name__ == "__main__":
    process.main(build)
