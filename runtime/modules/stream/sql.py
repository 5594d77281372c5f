"""A stream store in tables of a SQLite or PostgreSQL database, which all processes share that can reach it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    bindparam,
    delete,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateTable

from runtime.contracts import Cursor, RunEvent
from runtime.modules.sql.database import OpenDatabase
from runtime.modules.stream.record import PublishedBatch, Row, Source, Sources, admitted
from runtime.modules.stream.store import DEFAULT, REMEMBERED, Bounds, Edges
from runtime.registry import Registry
from runtime.registry.kinds.storage import Database, SqlSqlite
from runtime.registry.kinds.stream import StreamSql
from runtime.registry.models import Place

#: Seconds between two looks for what another process has added.
POLL = 0.1
#: Rows that are read at once; a row is what was published to a run within one interval of its publisher.
_ROWS = 200


class SqlStreams:
    """Three tables: the logs, their rows, and how far each publisher is. Who adds to a log holds its row for so long."""

    def __init__(self, database: OpenDatabase, table: str = "stream", bounds: Bounds = DEFAULT) -> None:
        self._database, self._bounds = database, bounds
        tables = MetaData()
        self._logs = Table(
            f"{table}_logs",
            tables,
            Column("log", String(64), primary_key=True),
            Column("mark", BigInteger, nullable=False),
            Column("last", BigInteger, nullable=False),
            Column("dropped", BigInteger, nullable=False),
            Column("bytes", BigInteger, nullable=False),
            Column("touched", BigInteger, nullable=False),
        )
        self._rows = Table(
            f"{table}_rows",
            tables,
            Column("log", String(64), primary_key=True),
            Column("last", BigInteger, primary_key=True),
            Column("first", BigInteger, nullable=False),
            Column("mark", BigInteger, nullable=False),
            Column("body", LargeBinary, nullable=False),
        )
        self._sources = Table(
            f"{table}_sources",
            tables,
            Column("log", String(64), primary_key=True),
            Column("publisher", String, primary_key=True),
            Column("name", String, primary_key=True),
            Column("attempt", Integer, nullable=False),
            Column("position", BigInteger, nullable=False),
            Column("is_placed", Boolean, nullable=False),
        )
        self._insert = sqlite.insert if database.type == "sqlite" else postgresql.insert
        self._changed = asyncio.Event()

    async def prepare(self) -> None:
        """Makes the tables unless they are there."""

        def work(connection: Connection) -> None:
            for table in (self._logs, self._rows, self._sources):
                try:
                    connection.execute(CreateTable(table, if_not_exists=True))
                except SQLAlchemyError:  # another host made it at the same moment
                    connection.execute(select(table).limit(1)).close()

        await self._database.run(work)

    async def append(self, batches: Sequence[PublishedBatch]) -> None:
        ordered = sorted(batches)  # everybody takes hold of logs in one order
        await self._database.in_transaction(lambda connection: self._append(connection, ordered))
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def mark(self, log: str, event: int) -> None:
        c = self._logs.c

        def work(connection: Connection) -> None:
            found = connection.execute(select(c.mark).where(c.log == log)).scalar()
            if found is None or found < event:
                self._make(connection, [log])
                connection.execute(update(self._logs).where(c.log == log, c.mark < event).values(mark=event))

        await self._database.run(work)

    async def read(self, log: str, after: Cursor, limit: int = 1000) -> list[RunEvent]:
        c = self._rows.c
        statement = (
            select(c.mark, c.first, c.last, c.body)
            .where(c.log == log, c.last > after.seq, c.mark >= after.event)
            .order_by(c.last)
            .limit(_ROWS)
        )
        rows = await self._database.run(lambda connection: connection.execute(statement).all())
        events: list[RunEvent] = []
        for row in rows:
            events.extend(Row(row.mark, row.first, row.last, bytes(row.body)).after(after))
            if len(events) >= limit:
                break
        return events

    async def edges(self, log: str) -> Edges:
        logs, rows = self._logs.c, self._rows.c

        def work(connection: Connection) -> Edges:
            dropped = connection.execute(select(logs.dropped).where(logs.log == log)).scalar()
            found = select(rows.mark, rows.first, rows.last).where(rows.log == log)
            first = connection.execute(found.order_by(rows.last).limit(1)).first()
            last = connection.execute(found.order_by(rows.last.desc()).limit(1)).first()
            if first is None or last is None:
                return Edges(dropped=dropped or 0)
            return Edges(Cursor(first.mark, first.first), Cursor(last.mark, last.last), dropped or 0)

        return await self._database.run(work)

    async def changed(self, log: str, seq: int) -> None:
        """Hears of this process's own at once, and looks for others' from time to time."""
        c = self._logs.c
        statement = select(c.last).where(c.log == log)
        while True:
            changed = self._changed
            last = await self._database.run(lambda connection: connection.execute(statement).scalar())
            if last is not None and last > seq:
                return
            try:
                async with asyncio.timeout(POLL):
                    await changed.wait()
            except TimeoutError:
                pass

    async def sweep(self) -> None:
        c, now, keep = self._logs.c, time.time(), self._bounds.keep
        old = c.touched < int((now - keep) * 1000)
        swept = update(self._logs).where(old, c.dropped < c.last).values(dropped=c.last, bytes=0).returning(c.log)
        forgotten = delete(self._logs).where(c.touched < int((now - keep * REMEMBERED) * 1000), c.dropped == c.last)

        def work(connection: Connection) -> None:
            names = list(connection.execute(swept).scalars())
            for table in (self._rows, self._sources):
                if names:
                    connection.execute(
                        delete(table).where(table.c.log == bindparam("of")), [{"of": log} for log in names]
                    )
            connection.execute(forgotten)

        await self._database.in_transaction(work)

    async def close(self) -> None:
        await self._database.close()

    # In a transaction -----------------------------------------------------------------------------------------------------

    def _make(self, connection: Connection, logs: Iterable[str]) -> None:
        now = int(time.time() * 1000)
        fresh = [{"log": log, "mark": 1, "last": 0, "dropped": 0, "bytes": 0, "touched": now} for log in logs]
        connection.execute(self._insert(self._logs).on_conflict_do_nothing(), fresh)

    def _append(self, connection: Connection, batches: Sequence[PublishedBatch]) -> None:
        c = self._logs.c
        live = {batch.log for batch in batches if batch.is_live}
        if live:
            followed = set(connection.execute(select(c.log).where(c.log.in_(live))).scalars())
            batches = [batch for batch in batches if batch.log not in live or batch.log in followed]
        names = [batch.log for batch in batches]
        if not names:
            return
        self._make(connection, names)
        held = connection.execute(select(self._logs).where(c.log.in_(names)).order_by(c.log).with_for_update())
        logs = {row.log: dict(row._mapping) for row in held}
        before = self._states(connection, batches)
        rows, states = [], []
        for batch in batches:
            log = logs[batch.log]
            log["mark"] = max(log["mark"], batch.mark)
            mine = before.setdefault(batch.log, {})
            was = dict(mine)
            texts = admitted(mine, batch.events)
            if texts:
                rows.append(_added(log, Row.of(log["mark"], log["last"] + 1, texts)))
            states += [_state(batch.log, key, it) for key, it in mine.items() if was.get(key) != it]
        self._write(connection, rows, states, [logs[row["log"]] for row in rows])

    def _states(self, connection: Connection, batches: Sequence[PublishedBatch]) -> dict[str, Sources]:
        c = self._sources.c
        keys = {(batch.log, event.publisher.id) for batch in batches for event in batch.events}
        found: dict[str, Sources] = {}
        for row in connection.execute(select(self._sources).where(tuple_(c.log, c.publisher).in_(sorted(keys)))):
            sources = found.setdefault(row.log, {})
            sources[row.publisher, row.name] = Source(row.attempt, row.position, row.is_placed)
        return found

    def _write(
        self,
        connection: Connection,
        rows: list[dict[str, Any]],
        states: list[dict[str, Any]],
        logs: list[dict[str, Any]],
    ) -> None:
        if states:
            insert = self._insert(self._sources)
            fields = {name: insert.excluded[name] for name in ("attempt", "position", "is_placed")}
            connection.execute(
                insert.on_conflict_do_update(index_elements=["log", "publisher", "name"], set_=fields), states
            )
        if not rows:
            return
        connection.execute(self._rows.insert(), rows)
        for log in logs:
            self._trim(connection, log)
        now = int(time.time() * 1000)
        values = [
            {"of": log["log"], **{name: log[name] for name in ("mark", "last", "dropped", "bytes")}} for log in logs
        ]
        statement = (
            update(self._logs)
            .where(self._logs.c.log == bindparam("of"))
            .values(
                mark=bindparam("mark"),
                last=bindparam("last"),
                dropped=bindparam("dropped"),
                bytes=bindparam("bytes"),
                touched=now,
            )
        )
        connection.execute(statement, values)

    def _trim(self, connection: Connection, log: dict[str, Any]) -> None:
        """The oldest rows go while there is too much."""
        bounds, c = self._bounds, self._rows.c
        while log["bytes"] > bounds.bytes or log["last"] - log["dropped"] > bounds.events:
            oldest = connection.execute(
                select(c.last, c.body).where(c.log == log["log"]).order_by(c.last).limit(1)
            ).first()
            if oldest is None or oldest.last == log["last"]:
                return
            connection.execute(delete(self._rows).where(c.log == log["log"], c.last == oldest.last))
            log["dropped"] = oldest.last
            log["bytes"] -= len(oldest.body)


def _added(log: dict[str, Any], row: Row) -> dict[str, Any]:
    log["last"] = row.last
    log["bytes"] += len(row.body)
    return {"log": log["log"], "last": row.last, "first": row.first, "mark": row.mark, "body": row.body}


def _state(log: str, key: tuple[str, str], source: Source) -> dict[str, Any]:
    publisher, name = key
    return {"log": log, "publisher": publisher, "name": name, **source._asdict()}


async def opened(registry: Registry, entry: StreamSql, bounds: Bounds) -> SqlStreams:
    """The store of an entry. Raises `Error` UNAVAILABLE."""
    database = registry.get(entry.database)
    assert isinstance(database, Database)
    registry.services.require(database)
    return await _prepared(OpenDatabase(registry.resolve(database)), entry.table, bounds)


async def opened_file(path: Path, bounds: Bounds) -> SqlStreams:
    place = Place(file=path, line=0, namespace="evermoon", root=path.parent)
    database = SqlSqlite(name="streams", kind="db.sql.sqlite", file=path.name, place=place)
    return await _prepared(OpenDatabase(database), "stream", bounds)


async def _prepared(database: OpenDatabase, table: str, bounds: Bounds) -> SqlStreams:
    streams = SqlStreams(database, table, bounds)
    try:
        await streams.prepare()
    except BaseException:
        await database.close()
        raise
    return streams
