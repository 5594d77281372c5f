"""What a script's statement may do in SQLite. Everything is refused that is not named here.

SQLite asks while it compiles a statement, so it does not matter where something is written (in a view, a trigger, a common table expression) or
whether its argument is text, an expression or a parameter.
"""

from __future__ import annotations

import re
import sqlite3
from functools import cache

#: Actions that stay within the database's own file and end with their statement.
_ALLOWED = frozenset({
    sqlite3.SQLITE_ALTER_TABLE, sqlite3.SQLITE_ANALYZE, sqlite3.SQLITE_RECURSIVE, sqlite3.SQLITE_REINDEX, sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_CREATE_INDEX, sqlite3.SQLITE_CREATE_TABLE, sqlite3.SQLITE_CREATE_TRIGGER, sqlite3.SQLITE_CREATE_VIEW,
    sqlite3.SQLITE_CREATE_TEMP_INDEX, sqlite3.SQLITE_CREATE_TEMP_TABLE, sqlite3.SQLITE_CREATE_TEMP_TRIGGER, sqlite3.SQLITE_CREATE_TEMP_VIEW,
    sqlite3.SQLITE_DROP_INDEX, sqlite3.SQLITE_DROP_TABLE, sqlite3.SQLITE_DROP_TRIGGER, sqlite3.SQLITE_DROP_VIEW, sqlite3.SQLITE_DROP_VTABLE,
    sqlite3.SQLITE_DROP_TEMP_INDEX, sqlite3.SQLITE_DROP_TEMP_TABLE, sqlite3.SQLITE_DROP_TEMP_TRIGGER, sqlite3.SQLITE_DROP_TEMP_VIEW,
})  # fmt: skip
#: Those whose first argument is a table.
_ROWS = frozenset({sqlite3.SQLITE_READ, sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
#: A table that is the pages of the file, as bytes.
_PAGES = "sqlite_dbpage"
#: Pragmas that tell something, and those whose value is kept in the file. What a connection is set to is ours.
PRAGMAS = frozenset({
    "application_id", "collation_list", "compile_options", "data_version", "encoding", "foreign_key_check", "foreign_key_list", "freelist_count",
    "function_list", "index_info", "index_list", "index_xinfo", "integrity_check", "module_list", "optimize", "page_count", "page_size",
    "pragma_list", "quick_check", "schema_version", "table_info", "table_list", "table_xinfo", "user_version",
})  # fmt: skip
#: Of these, only the question.
_ASKED_ONLY = frozenset({"encoding", "page_size", "schema_version"})
_MODULES = frozenset({"fts3", "fts4", "fts4aux", "fts5", "fts5vocab", "geopoly", "rtree", "rtree_i32"})
#: What VACUUM does by itself: it attaches a file that has no name, in a transaction.
_OF_VACUUM = frozenset({(sqlite3.SQLITE_ATTACH, ""), (sqlite3.SQLITE_TRANSACTION, "BEGIN")})
_VACUUM = re.compile(r"\s*VACUUM(\s+main)?\s*;?\s*", re.IGNORECASE)

_INNOCUOUS = 0x200000  # SQLITE_INNOCUOUS, sqlite3.h: harmless even where somebody means harm
#: Functions that SQLite does not mark so in each version, and are: JSON, and what belongs to the search in full text. `regexp` is ours.
_HARMLESS = frozenset(
    {"->", "->>", "bm25", "highlight", "match", "matchinfo", "offsets", "optimize", "snippet", "regexp"}
)

_NAMES = {
    getattr(sqlite3, name): name.removeprefix("SQLITE_").replace("_", " ")
    for name in ("SQLITE_ATTACH", "SQLITE_DETACH", "SQLITE_TRANSACTION", "SQLITE_SAVEPOINT", "SQLITE_PRAGMA")
}
_INSTEAD = {
    sqlite3.SQLITE_ATTACH: "a script reaches the file of its database only; another file is another db.sql.sqlite",
    sqlite3.SQLITE_TRANSACTION: "begin with db:begin(), end with tx:commit() or tx:rollback()",
    sqlite3.SQLITE_SAVEPOINT: "use tx:savepoint(name), tx:rollback_to(name) and tx:release(name)",
    sqlite3.SQLITE_PRAGMA: f"a script may use {', '.join(sorted(PRAGMAS))}",
}


class Authoriser:
    """The judge of the statements of one connection. `is_ours` while a statement of Evermoon runs, `vacuums` while a script's VACUUM does. `refused`
    says what was refused last, and what to do instead."""

    __slots__ = ("is_ours", "refused", "vacuums")

    def __init__(self) -> None:
        self.is_ours = False
        self.vacuums = False
        self.refused = ""

    def begin(self, sql: str) -> None:
        """A script's statement is about to be compiled."""
        self.refused = ""
        self.vacuums = _VACUUM.fullmatch(sql) is not None

    def __call__(self, action: int, first: str | None, second: str | None, *_: object) -> int:
        if self.is_ours or action in _ALLOWED or self._allows(action, first or "", second):
            return sqlite3.SQLITE_OK
        named = second if action == sqlite3.SQLITE_FUNCTION else first
        what = f"{_NAMES.get(action, 'this')} {named or ''}".strip()
        instead = _INSTEAD.get(action)
        self.refused = f"{what} is refused" + (f": {instead}" if instead else "")
        return sqlite3.SQLITE_DENY

    def _allows(self, action: int, first: str, second: str | None) -> bool:
        if action in _ROWS:
            return first.lower() != _PAGES
        if action == sqlite3.SQLITE_FUNCTION:
            return (second or "").lower() in _functions()
        if action == sqlite3.SQLITE_PRAGMA:
            return first.lower() in PRAGMAS and (second is None or first.lower() not in _ASKED_ONLY)
        if action == sqlite3.SQLITE_CREATE_VTABLE:
            return (second or "").lower() in _MODULES
        return self.vacuums and (action, first) in _OF_VACUUM


@cache
def _functions() -> frozenset[str]:
    """The functions of this SQLite that a script may call."""
    with sqlite3.connect(":memory:") as connection:
        listed = connection.execute("SELECT name, flags FROM pragma_function_list").fetchall()
    connection.close()
    names = {name.lower() for name, flags in listed if flags & _INNOCUOUS or name.lower().startswith("json")}
    return frozenset(names | _HARMLESS)
