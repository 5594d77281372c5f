"""One service's SQLite file, and the rule that a mutating call with the same key happens once.

The answer to a call is stored in the transaction that made the change, so either both are there or neither. A repeat
of the key gets the stored answer; a repeat that comes while the first is still under way waits for it; the same key
with another request is refused. A refused call changed nothing and is judged anew when it is repeated: stock may have
come in since. Every mutating call, repeated and refused ones too, is logged in `calls`.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from evermoon import Error

T = TypeVar("T")
Answer = dict[str, Any]
Change = Callable[[sqlite3.Connection], Answer]

KEY_REUSED = "KeyReused"

SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, request TEXT NOT NULL, answer TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS calls (
    number INTEGER PRIMARY KEY, operation TEXT NOT NULL, saga_id TEXT NOT NULL, key TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('done', 'repeated', 'refused'))
);
"""


@dataclass(frozen=True, slots=True)
class Call:
    """One mutating call: its idempotency key, what it does, for which saga ("" for none), and the whole request as text."""

    key: str
    operation: str
    saga_id: str
    request: str


class Ledger:
    """The file, behind one thread: SQLite has one writer anyway, and a queue is fairer than lock time-outs."""

    def __init__(self, path: Path, schema: str) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")
        self._connection = self._thread.submit(_open, path, SCHEMA + schema).result()
        self._turns: dict[str, tuple[asyncio.Lock, int]] = {}

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        return await self._run(lambda: query(self._connection))

    async def rows(self, sql: str, *values: Any) -> list[Answer]:
        return await self.read(lambda connection: [dict(row) for row in connection.execute(sql, values)])

    async def once(
        self, call: Call, change: Change, *, before: Callable[[], Awaitable[None]] | None = None
    ) -> tuple[Answer, bool]:
        """Makes the change unless `call.key` already did; the answer, and whether it is a repeated one.

        `before` is awaited ahead of the transaction and only when the key is new. Raises what `before` and `change`
        raise; then nothing has changed.
        """
        async with self._turn(call.key):
            if before is not None and await self._run(lambda: _stored(self._connection, call)) is None:
                await before()
            return await self._run(lambda: _apply(self._connection, call, change))

    async def close(self) -> None:
        await self._run(self._connection.close)
        self._thread.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    @asynccontextmanager
    async def _turn(self, key: str) -> AsyncIterator[None]:
        lock, waiting = self._turns.get(key, (asyncio.Lock(), 0))
        self._turns[key] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            _, waiting = self._turns[key]
            if waiting == 1:
                del self._turns[key]
            else:
                self._turns[key] = (lock, waiting - 1)


def _open(path: Path, schema: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA busy_timeout = 5000")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.executescript(schema)
    return connection


def _apply(connection: sqlite3.Connection, call: Call, change: Change) -> tuple[Answer, bool]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        stored = _stored(connection, call)
        answer = change(connection) if stored is None else stored
        if stored is None:
            connection.execute("INSERT INTO answers VALUES (?, ?, ?)", (call.key, call.request, json.dumps(answer)))
        _log(connection, call, "done" if stored is None else "repeated")
        connection.execute("COMMIT")
        return answer, stored is not None
    except BaseException:
        connection.execute("ROLLBACK")
        _log(connection, call, "refused")
        raise


def _stored(connection: sqlite3.Connection, call: Call) -> Answer | None:
    row = connection.execute("SELECT request, answer FROM answers WHERE key = ?", (call.key,)).fetchone()
    if row is None:
        return None
    if row["request"] != call.request:
        raise Error(KEY_REUSED, f"the key {call.key!r} was used for another request", retryable=False)
    answer: Answer = json.loads(row["answer"])
    return answer


def _log(connection: sqlite3.Connection, call: Call, outcome: str) -> None:
    connection.execute(
        "INSERT INTO calls (operation, saga_id, key, outcome) VALUES (?, ?, ?, ?)",
        (call.operation, call.saga_id, call.key, outcome),
    )
