"""SQLite: one file, whose statements are judged before they run (`authoriser.py`), and which knows no server that could end them."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from runtime.errors import permission_denied
from runtime.late import late
from runtime.modules.sql.authoriser import Authoriser
from runtime.modules.sql.dialect import Begin, Dialect
from runtime.registry.kinds.storage import Database

if TYPE_CHECKING:
    import re2
else:
    re2 = late("re2")

_PROGRESS = 10_000  # SQLite instructions between two looks at the clock
_LONGEST = 64 * 1024 * 1024  # bytes of one value, twice what an answer may hold
_PRAGMAS = ("journal_mode = WAL", "foreign_keys = ON", "busy_timeout = 5000")
#: What is temporary; virtual tables first, which drop the tables behind them.
_TEMPORARY = """
SELECT type, name FROM sqlite_temp_master
WHERE type IN ('table', 'view', 'trigger') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
ORDER BY sql NOT LIKE 'CREATE VIRTUAL%', type DESC
"""


class _Connection(sqlite3.Connection):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.authoriser = Authoriser()


class Sqlite(Dialect):
    name = "sqlite"

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        return (sqlite3.Error,)

    def __init__(self, entry: Database, closing: threading.Event) -> None:
        super().__init__(entry)
        self._closing = closing

    def engine_options(self) -> Mapping[str, Any]:
        # A statement that was kept compiled would not be judged again.
        return {"connect_args": {"check_same_thread": False, "factory": _Connection, "cached_statements": 0}}

    def prepare(self, raw: _Connection) -> None:
        for pragma in _PRAGMAS:
            raw.execute(f"PRAGMA {pragma}").close()
        raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
        raw.create_function("regexp", 2, _matches, deterministic=True)
        raw.set_authorizer(raw.authoriser)

    def own(self, raw: _Connection, statement: str) -> None:
        with _ours(raw):
            raw.execute(statement).close()

    def begin(self, raw: _Connection, begin: Begin) -> None:
        if begin.read_only:  # held while a statement runs, so also for those that write by a trigger
            self.own(raw, "PRAGMA query_only = 1")
        self.own(raw, "BEGIN" if begin.read_only else "BEGIN IMMEDIATE")

    def is_in(self, raw: _Connection, begin: Begin) -> bool:
        return raw.in_transaction

    def reset(self, raw: _Connection) -> None:
        with _ours(raw):
            if raw.in_transaction:
                raw.execute("ROLLBACK").close()
            raw.execute("PRAGMA query_only = 0").close()
            for kind, name in raw.execute(_TEMPORARY).fetchall():
                quoted = name.replace('"', '""')
                raw.execute(f'DROP {kind} IF EXISTS temp."{quoted}"').close()
            if raw.execute("SELECT last_insert_rowid()").fetchone() != (0,):
                raw.execute("CREATE TEMP TABLE last (id INTEGER PRIMARY KEY)").close()
                raw.execute("INSERT INTO temp.last VALUES (0)").close()
                raw.execute("DROP TABLE temp.last").close()

    @contextmanager
    def statement(self, raw: _Connection, sql: str, begin: Begin | None) -> Iterator[None]:
        """The clock is looked at until the last row has been read."""
        deadline = time.monotonic() + self.statement_timeout
        raw.authoriser.begin(sql)
        raw.set_progress_handler(lambda: time.monotonic() > deadline or self._closing.is_set(), _PROGRESS)
        try:
            yield
        except DBAPIError:
            if raw.authoriser.refused:
                raise permission_denied(f"{self.id}: {raw.authoriser.refused}") from None
            raise
        finally:
            raw.set_progress_handler(None, 0)


@contextmanager
def _ours(raw: _Connection) -> Iterator[None]:
    raw.authoriser.is_ours = True
    try:
        yield
    finally:
        raw.authoriser.is_ours = False


def _matches(pattern: str | None, text: str | None) -> bool | None:
    """`text REGEXP pattern`, in time that grows with the text alone."""
    if pattern is None or text is None:
        return None
    return re2.search(str(pattern), str(text)) is not None
