"""A key-value store in a table of a database. Keys are bytes there, so that their order is the same in every database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    LargeBinary,
    MetaData,
    String,
    Table,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.mysql import LONGBLOB, VARBINARY
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateTable

from runtime.errors import ALREADY_EXISTS, Error
from runtime.modules.sql.database import OpenDatabase
from runtime.modules.store.record import Record, WriteCondition, full, next_version, now_ms, refusal
from runtime.payload import Payload

_ATTEMPTS = 5  # at a key that others insert at the same time
_MAX_KEY = 255


class SqlBackend:
    def __init__(self, store_id: str, database: OpenDatabase, table: str, max_size: int) -> None:
        self._id = store_id
        self._database = database
        self._max_size = max_size
        self._table = Table(
            table,
            MetaData(),
            Column("key", LargeBinary().with_variant(VARBINARY(_MAX_KEY), "mysql"), primary_key=True),
            Column("encoding", String(64), nullable=False),
            Column("value", LargeBinary().with_variant(LONGBLOB(), "mysql"), nullable=False),
            Column("version", BigInteger, nullable=False),
            Column("expires", BigInteger, index=False),
        )

    async def prepare(self) -> None:
        """Makes the table unless it is there."""

        def work(connection: Connection) -> None:
            try:
                connection.execute(CreateTable(self._table, if_not_exists=True))
            except SQLAlchemyError:  # another host made it at the same moment
                connection.execute(select(self._table.c.key).limit(1)).close()

        await self._database.run(work)

    async def get(self, key: str) -> Record | None:
        return await self._database.run(lambda connection: self._find(connection, key))

    async def put(self, key: str, value: Payload, ttl_ms: int | None, condition: WriteCondition) -> Record:
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._database.in_transaction(lambda c: self._put(c, key, value, ttl_ms, condition))
            except Error as error:
                # Somebody inserted the key between our look and our insert: look again.
                if error.kind != ALREADY_EXISTS or error.details:
                    raise
        return await self._database.in_transaction(lambda c: self._put(c, key, value, ttl_ms, condition))

    async def delete(self, key: str) -> bool:
        c = self._table.c
        statement = delete(self._table).where(c.key == key.encode())

        def work(connection: Connection) -> bool:
            live = connection.execute(statement.where(self._is_live())).rowcount > 0
            connection.execute(statement.where(~self._is_live()))
            return live

        return await self._database.in_transaction(work)

    async def list(self, prefix: str, after: str, limit: int) -> list[Record]:
        c, first = self._table.c, prefix.encode()
        conditions = [self._is_live(), c.key >= first]
        if end := _end_of(first):
            conditions.append(c.key < end)
        if after:
            conditions.append(c.key > after.encode())
        statement = select(self._table).where(and_(*conditions)).order_by(c.key).limit(limit)
        return await self._database.run(lambda connection: [_record(row) for row in connection.execute(statement)])

    async def size(self) -> int:
        return await self._database.run(self._count)

    async def sweep(self) -> None:
        statement = delete(self._table).where(~self._is_live())
        await self._database.run(lambda connection: connection.execute(statement).close())

    def _put(
        self, connection: Connection, key: str, value: Payload, ttl_ms: int | None, condition: WriteCondition
    ) -> Record:
        c, name = self._table.c, key.encode()
        row = connection.execute(select(self._table).where(c.key == name).with_for_update()).first()
        there = _record(row) if row is not None else None
        found = there if there is not None and not there.is_expired() else None
        if problem := refusal(key, found, condition):
            raise problem
        if found is None and self._max_size and self._count(connection) >= self._max_size:
            raise full(self._id, self._max_size)
        record = Record(key, value, next_version(there), None if ttl_ms is None else now_ms() + ttl_ms)
        fields = {
            "encoding": value.encoding,
            "value": value.data,
            "version": record.version,
            "expires": record.expires,
        }
        if there is None:
            connection.execute(insert(self._table).values(key=name, **fields))
        else:
            connection.execute(update(self._table).where(c.key == name).values(**fields))
        return record

    def _find(self, connection: Connection, key: str) -> Record | None:
        statement = select(self._table).where(self._table.c.key == key.encode(), self._is_live())
        row = connection.execute(statement).first()
        return _record(row) if row is not None else None

    def _count(self, connection: Connection) -> int:
        return int(
            connection.execute(select(func.count()).select_from(self._table).where(self._is_live())).scalar_one()
        )

    def _is_live(self) -> Any:
        expires = self._table.c.expires
        return or_(expires.is_(None), expires > now_ms())


def _record(row: Any) -> Record:
    return Record(bytes(row.key).decode(), Payload(row.encoding, bytes(row.value)), row.version, row.expires)


def _end_of(prefix: bytes) -> bytes:
    """The least that follows everything with this prefix; nothing for none. UTF-8 never has a last byte of 255."""
    return prefix[:-1] + bytes([prefix[-1] + 1]) if prefix else b""
