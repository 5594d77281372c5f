"""A database of the registry, open: a pool of connections, each used on one thread at a time, transactions begun by hand.

The drivers block, so every statement runs on a thread of the database's own. There are as many threads as connections and a
permit is taken before either, so whoever holds a connection finds a thread to give it back on. The drivers are in
autocommit: what begins and ends a transaction is written out here, once for each database, instead of left to the habits of
three drivers. Whoever stops waiting for a statement does not stop it: its connection is free when it has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from runtime.contracts import ExecutionPort
from runtime.errors import invalid, not_found, timed_out
from runtime.modules.sql.dialect import PLAIN, Begin, Dialect, Rows, raw_of
from runtime.modules.sql.errors import translated
from runtime.modules.sql.mysql import Mysql
from runtime.modules.sql.postgres import Postgres
from runtime.modules.sql.sqlite import Sqlite
from runtime.modules.sql.urls import MEMORY, url_of
from runtime.registry import Registry
from runtime.registry.kinds.storage import Database
from runtime.registry.problems import did_you_mean
from runtime.resources import Resources

T = TypeVar("T")

#: Of a connection that a script's statement has run on: what it may have left there is undone when the connection is given back.
_USED = "evermoon.used"
_OVER = "the transaction is over: the text of a statement ended it"


class OpenDatabase:
    def __init__(self, entry: Database) -> None:
        self.id = entry.id
        self._closing = threading.Event()
        self.dialect = _dialect(entry, self._closing)
        self.size = 1 if getattr(entry, "database_file", None) == MEMORY else entry.pool.size
        self._wait = entry.pool.timeout.total_seconds()
        self._permits = asyncio.Semaphore(self.size)
        self._threads = ThreadPoolExecutor(self.size, thread_name_prefix=f"sql {entry.id}")
        try:
            self._engine = self._open(entry)
        except (SQLAlchemyError, ImportError, ValueError) as error:
            raise translated(error, self.id) from None

    @property
    def type(self) -> str:
        return self.dialect.name

    async def run(self, work: Callable[[Connection], T]) -> T:
        """`work` on a connection, each statement a transaction of its own."""
        await self._permit()
        return await self._on_thread(lambda: self._with_connection(work), self._permits.release)

    async def in_transaction(self, work: Callable[[Connection], T], begin: Begin = PLAIN) -> T:
        """`work` in a transaction: committed when it returns, rolled back when it raises."""

        def whole(connection: Connection) -> T:
            self.begin(connection, begin)
            try:
                value = work(connection)
                self.own(connection, "COMMIT")
            except BaseException:
                self.roll_back(connection)
                raise
            return value

        return await self.run(whole)

    async def transaction(self, begin: Begin) -> Transaction:
        """A transaction that is open until it is committed or rolled back; it holds a connection so long."""
        await self._permit()
        opening = self._threads.submit(self._begun, begin)
        try:
            connection = await asyncio.shield(asyncio.wrap_future(opening))
        except asyncio.CancelledError:
            self._after(opening, lambda: self._abandon(opening))
            raise
        except BaseException:
            self._permits.release()
            raise
        return Transaction(self, connection, begin)

    @property
    def stats(self) -> dict[str, int]:
        pool = self._engine.pool
        if not isinstance(pool, QueuePool):
            return {"open_connections": 0, "in_use": 0, "idle": 0}
        in_use, idle = pool.checkedout(), pool.checkedin()
        return {"open_connections": in_use + idle, "in_use": in_use, "idle": idle}

    def execute(
        self,
        connection: Connection,
        sql: str,
        parameters: tuple[Any, ...],
        read: Callable[[CursorResult[Any]], T],
        begin: Begin | None = None,
    ) -> T:
        """What `read` makes of the result of a script's statement. Parameters are bound by the driver, never written into the text.

        `begin`: of the transaction that it is in; raises `Error` INVALID when that is over.
        """
        text = self._prepared(connection, sql, parameters, begin)
        with self.dialect.statement(raw_of(connection), sql, begin):
            result = connection.exec_driver_sql(text, parameters)
            with contextlib.closing(result):
                return read(result)

    def query(
        self,
        connection: Connection,
        sql: str,
        parameters: tuple[Any, ...],
        read: Callable[[Rows], T],
        begin: Begin | None = None,
    ) -> T:
        """The same for a statement that gives rows, of which `read` gets one after another."""
        text = self._prepared(connection, sql, parameters, begin)
        statement = self.dialect.statement(raw_of(connection), sql, begin)
        with statement, self.dialect.rows(connection, text, parameters) as rows:
            return read(rows)

    def _prepared(self, connection: Connection, sql: str, parameters: tuple[Any, ...], begin: Begin | None) -> str:
        connection.info[_USED] = True
        if begin is not None and not self.dialect.is_in(raw_of(connection), begin):
            raise invalid(_OVER)
        return self.dialect.written(sql, len(parameters))

    def own(self, connection: Connection, statement: str) -> None:
        """A statement of ours. When it fails the connection is looked at before another has it."""
        try:
            self.dialect.own(raw_of(connection), statement)
        except BaseException:
            connection.info[_USED] = True
            raise

    def begin(self, connection: Connection, begin: Begin) -> None:
        used = connection.info.pop(_USED, False)
        connection.info[_USED] = True  # unless it begins well
        self.dialect.begin(raw_of(connection), begin)
        connection.info[_USED] = used or begin.read_only

    def end(self, connection: Connection, begin: Begin, statement: str) -> None:
        if not self.dialect.is_in(raw_of(connection), begin):
            raise invalid(_OVER)
        self.own(connection, statement)

    def roll_back(self, connection: Connection) -> None:
        """What is broken already needs no rollback."""
        with contextlib.suppress(Exception):
            self.own(connection, "ROLLBACK")

    def submit(self, work: Callable[[], T], then: Callable[[], object] | None = None) -> Future[T]:
        """`work` on a thread; `then` in the loop once it has ended, however it ended."""
        future = self._threads.submit(self._guarded, work)
        if then is not None:
            self._after(future, then)
        return future

    def give_back(self) -> None:
        self._permits.release()

    async def close(self) -> None:
        """Statements under way end at their next look at the clock, or with their connection."""
        self._closing.set()
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._engine.dispose)

    async def _on_thread(self, work: Callable[[], T], then: Callable[[], object]) -> T:
        return await asyncio.shield(asyncio.wrap_future(self.submit(work, then)))

    async def _permit(self) -> None:
        try:
            async with asyncio.timeout(self._wait):
                await self._permits.acquire()
        except TimeoutError:
            raise timed_out(f"no connection to {self.id} came free in time") from None

    def _after(self, future: Future[Any], then: Callable[[], object]) -> None:
        loop = asyncio.get_running_loop()

        def done(_: Future[Any]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever would wait
                loop.call_soon_threadsafe(then)

        future.add_done_callback(done)

    def _abandon(self, opening: Future[Connection]) -> None:
        """A transaction nobody waits for any more."""
        if opening.exception() is None:
            Transaction(self, opening.result(), PLAIN).close()
        else:
            self.give_back()

    def _with_connection(self, work: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection:
            return work(connection)

    def _begun(self, begin: Begin) -> Connection:
        def work() -> Connection:
            connection = self._engine.connect()
            try:
                self.begin(connection, begin)
            except BaseException:
                connection.close()
                raise
            return connection

        return self._guarded(work)

    def _guarded(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except (SQLAlchemyError, ModuleNotFoundError) as error:
            raise translated(error, self.id) from None
        except self.dialect.failures as error:
            raise translated(error, self.id) from None
        except (OverflowError, UnicodeError) as error:
            raise invalid(f"{self.id}: a value the database cannot hold: {error}") from None

    def _open(self, entry: Database) -> Engine:
        url = url_of(entry)
        if self.type == "sqlite" and url.database != MEMORY:
            with contextlib.suppress(OSError):  # what cannot be made cannot be opened either, which is told then
                Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(
            url,
            poolclass=QueuePool,
            pool_size=self.size,
            max_overflow=0,
            pool_reset_on_return=None,
            isolation_level="AUTOCOMMIT",
            **self.dialect.engine_options(),
        )
        event.listen(engine, "connect", lambda raw, _record: self.dialect.prepare(raw))
        event.listen(engine, "reset", self._given_back)
        return engine

    def _given_back(self, raw: Any, record: Any, _state: object) -> None:
        """A connection that cannot be made as new is closed."""
        if raw is None or not record.info.pop(_USED, False):
            return
        try:
            self.dialect.reset(raw)
        except Exception as error:
            record.invalidate(error)


class Transaction:
    """One connection, one statement at a time; `close` rolls back what has not ended."""

    def __init__(self, database: OpenDatabase, connection: Connection, begin: Begin) -> None:
        self.database = database
        self.begun = begin
        self._connection = connection
        self._busy = threading.Lock()
        self._ended = False  # the connection has been given back
        self._leaving = False  # it is about to be

    async def run(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.shield(asyncio.wrap_future(self.database.submit(lambda: self._serially(work))))

    def require_open(self, connection: Connection) -> None:
        """On its thread, with its connection. Raises `Error` INVALID when the text of a statement has ended it."""
        if not self.database.dialect.is_in(raw_of(connection), self.begun):
            raise invalid(_OVER)

    async def end(self, statement: str) -> None:
        """COMMIT or ROLLBACK; the connection goes back to the pool either way."""
        if self._leaving:
            raise invalid("the transaction is over")
        self._leaving = True

        def work(connection: Connection) -> None:
            self._ended = True
            try:
                self.database.end(connection, self.begun, statement)
            except BaseException:
                self.database.roll_back(connection)
                raise
            finally:
                connection.close()

        future = self.database.submit(lambda: self._serially(work), self.database.give_back)
        await asyncio.shield(asyncio.wrap_future(future))

    def close(self) -> None:
        """Does not wait. A statement under way is let end first."""
        if self._leaving:
            return
        self._leaving = True

        def work(connection: Connection) -> None:
            self._ended = True
            self.database.roll_back(connection)
            connection.close()

        self.database.submit(lambda: self._serially(work), self.database.give_back)

    def _serially(self, work: Callable[[Connection], T]) -> T:
        with self._busy:
            if self._ended:
                raise invalid("the transaction is over")
            return work(self._connection)


def _dialect(entry: Database, closing: threading.Event) -> Dialect:
    if entry.kind == "db.sql.sqlite":
        return Sqlite(entry, closing)
    return Postgres(entry) if entry.kind == "db.sql.postgres" else Mysql(entry)


async def database_of(process: ExecutionPort, entry_id: str) -> OpenDatabase:
    """The open database of an entry. Raises `Error` NOT_FOUND for what is no database."""
    return await shared(process.registry, process.resources, entry_id)


async def shared(registry: Registry, resources: Resources, entry_id: str) -> OpenDatabase:
    """The same, on a host that has these."""
    entry = registry.get(entry_id)
    if not isinstance(entry, Database):
        known = [database.id for database in registry.of_kind(Database)]
        raise not_found("database", entry_id, did_you_mean(entry_id, known))
    registry.services.require(entry)
    resolved = registry.resolve(entry)
    return await resources.open(("sql", entry.id), lambda: _opened(resolved))


@asynccontextmanager
async def _opened(entry: Database) -> AsyncIterator[OpenDatabase]:
    database = OpenDatabase(entry)
    try:
        yield database
    finally:
        await database.close()
