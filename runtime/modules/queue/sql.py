"""Queues in a table of a SQLite or PostgreSQL database, which all processes share that can reach it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    case,
    cast,
    delete,
    extract,
    func,
    inspect,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from runtime.modules.queue.message import QueueMessage, require_room
from runtime.modules.queue.store import QueueCounts, about, message_of
from runtime.modules.sql.database import OpenDatabase, Transaction
from runtime.payload import Payload
from runtime.registry.kinds.queue import QueueEntry

#: Seconds between two removals of ids that need not be known any more.
_SWEEP = 60.0


class SqlQueueStore:
    """One table. A row whose `held` is in the future is somebody's; one with `gone` was handled, and is known until then."""

    def __init__(self, database: OpenDatabase, table: str) -> None:
        self._database = database
        integer = BigInteger().with_variant(Integer, "sqlite")
        self._table = Table(
            table,
            MetaData(),
            Column("seq", integer, primary_key=True, autoincrement=True),
            Column("queue", String, nullable=False),
            Column("id", String, nullable=False),
            Column("encoding", String(64), nullable=False),
            Column("body", LargeBinary, nullable=False),
            Column("about", Text, nullable=False),
            Column("size", BigInteger, nullable=False),
            Column("attempt", Integer, nullable=False),
            Column("due", BigInteger, nullable=False),
            Column("held", BigInteger, nullable=False),
            Column("lease", String(36), nullable=False),
            Column("gone", BigInteger),
            UniqueConstraint("queue", "id"),
        )
        self._index = Index(
            f"{table}_due", self._table.c.queue, self._table.c.gone, self._table.c.due, self._table.c.seq
        )
        self._insert = sqlite.insert if database.type == "sqlite" else postgresql.insert
        self._swept = time.monotonic()

    async def prepare(self) -> None:
        """Makes the table unless it is there."""

        def work(connection: Connection) -> None:
            try:
                self._make(connection)
            except SQLAlchemyError:  # another host made it at the same moment
                connection.execute(select(self._table.c.seq).limit(1)).close()

        await self._database.run(work)

    def _make(self, connection: Connection) -> None:
        connection.execute(CreateTable(self._table, if_not_exists=True))
        connection.execute(CreateIndex(self._index, if_not_exists=True))

    async def put(self, entry: QueueEntry, message: QueueMessage) -> None:
        await self._database.in_transaction(lambda connection: self._put(connection, entry, message))

    def _put(self, connection: Connection, entry: QueueEntry, message: QueueMessage) -> None:
        c = self._table.c
        if connection.execute(select(c.seq).where(c.queue == entry.id, c.id == message.id)).first() is not None:
            return
        found = connection.execute(self._counting(entry.id)).one()
        require_room(entry, found.messages, int(found.bytes or 0), message.size)
        self._insert_row(connection, entry.id, message)

    def insert_in(self, transaction: Transaction, connection: Connection, queue: str, message: QueueMessage) -> None:
        """In a transaction of somebody's, on its connection. Makes the table there, unless it is there."""
        transaction.require_open(connection)
        if not inspect(connection).has_table(self._table.name):
            self._make(connection)
        self._insert_row(connection, queue, message)

    def _insert_row(self, connection: Connection, queue: str, message: QueueMessage) -> None:
        values = {
            "queue": queue,
            "id": message.id,
            "encoding": message.body.encoding,
            "body": message.body.data,
            "about": about(message),
            "size": message.size,
            "attempt": message.attempt,
            "due": self._now(message.delay),
            "held": 0,
            "lease": "",
        }
        connection.execute(self._insert(self._table).values(**values).on_conflict_do_nothing())

    async def take(self, queue: str, lease: float) -> QueueMessage | None:
        c = self._table.c
        first = (
            select(self._table)
            .where(c.queue == queue, c.gone.is_(None), c.due <= self._now(), c.held <= self._now())
            .order_by(c.due, c.seq)
            .limit(1)
        )
        if await self._database.run(lambda connection: connection.execute(first).first()) is None:
            return None  # seen without a lock, which the many looks at an empty queue need not take

        def work(connection: Connection) -> Any:
            row = connection.execute(first.with_for_update(skip_locked=True)).first()
            if row is None:
                return None
            token = str(uuid.uuid4())
            taken = {"held": self._now(lease), "lease": token, "attempt": row.attempt + 1}
            connection.execute(update(self._table).where(c.seq == row.seq).values(**taken))
            return row, token

        found = await self._database.in_transaction(work)
        if found is None:
            return None
        row, token = found
        return message_of(row.id, Payload(row.encoding, bytes(row.body)), row.about, row.attempt + 1, token)

    async def renew(self, queue: str, messages: Sequence[QueueMessage], lease: float) -> set[str]:
        c = self._table.c
        mine = and_(c.queue == queue, c.lease.in_([message.lease for message in messages]), c.gone.is_(None))
        statement = update(self._table).where(mine).values(held=self._now(lease)).returning(c.id)
        return await self._database.in_transaction(lambda connection: set(connection.execute(statement).scalars()))

    async def untake(self, queue: str, message: QueueMessage) -> None:
        await self._change(queue, message, held=0, lease="", attempt=message.attempt - 1)

    async def postpone(self, queue: str, message: QueueMessage, delay: float) -> None:
        await self._change(queue, message, held=0, lease="", due=self._now(delay))

    async def remove(self, queue: str, message: QueueMessage, remember: float) -> None:
        await self._change(queue, message, gone=self._now(remember), body=b"", about="", size=0, lease="")
        if time.monotonic() - self._swept > _SWEEP:
            self._swept = time.monotonic()
            old = delete(self._table).where(self._table.c.gone < self._now())
            await self._database.run(lambda connection: connection.execute(old).close())

    async def counts(self, queue: str) -> QueueCounts:
        row = await self._database.run(lambda connection: connection.execute(self._counting(queue)).one())
        return QueueCounts(row.messages, int(row.bytes or 0), int(row.in_flight or 0), int(row.delayed or 0))

    async def close(self) -> None:
        await self._database.close()

    async def _change(self, queue: str, message: QueueMessage, **values: Any) -> None:
        c = self._table.c
        mine = and_(c.queue == queue, c.id == message.id, c.lease == message.lease)
        statement = update(self._table).where(mine).values(**values)
        await self._database.run(lambda connection: connection.execute(statement).close())

    def _counting(self, queue: str) -> Any:
        c, now = self._table.c, self._now()
        is_free = c.held <= now
        return select(
            func.count().label("messages"),
            func.sum(c.size).label("bytes"),
            func.sum(case((is_free, 0), else_=1)).label("in_flight"),
            func.sum(case((and_(is_free, c.due > now), 1), else_=0)).label("delayed"),
        ).where(c.queue == queue, c.gone.is_(None))

    def _now(self, later: float = 0.0) -> Any:
        """Milliseconds since 1970 by the clock that all share, and so many seconds later."""
        more = int(later * 1000)
        if self._database.type == "sqlite":
            return literal(time.time_ns() // 1_000_000 + more, BigInteger)
        return cast(extract("epoch", func.clock_timestamp()) * 1000, BigInteger) + more
