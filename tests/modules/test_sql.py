"""The `sql` module on a real SQLite, PostgreSQL and MariaDB, by the same scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from runtime.errors import (
    ALREADY_EXISTS,
    CONFLICT,
    INVALID,
    LIMIT_EXCEEDED,
    NOT_FOUND,
    PERMISSION_DENIED,
    TIMEOUT,
    UNAVAILABLE,
    Error,
)
from runtime.modules.sql.mysql import time_limit
from runtime.modules.sql.parameters import to_format
from runtime.process.host import ProcessHost
from tests.modules.host_script import run
from tests.process.support import MODULES, call, function, host, load

Database = dict[str, Any]
OPEN = 'local db, problem = sql.get("app:db") if problem then return nil, problem end\n'
TABLE = """
db:execute("DROP TABLE IF EXISTS t")
db:execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(200) UNIQUE, n BIGINT CHECK (n < 100), data TYPE)")
"""


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        return {"name": "db", "kind": "db.sql.sqlite", "file": "test.db"}
    url = request.getfixturevalue(f"{request.param}_url")
    return {"name": "db", "kind": f"db.sql.{request.param}", "url": url}


def script(database: Database, body: str, *, table: bool = True) -> str:
    """`body` with `db` open; `:1` stands for the database's own placeholder."""
    is_postgres = database["kind"] == "db.sql.postgres"
    text = OPEN + (TABLE if table else "") + body
    for number in range(1, 5):
        text = text.replace(f":{number}", f"${number}" if is_postgres else "?")
    return text.replace("TYPE", "BYTEA" if is_postgres else "BLOB")


async def ask(directory: Path, database: Database, body: str, *, table: bool = True) -> Any:
    return await run(directory, script(database, body, table=table), modules=["sql"], entries=[database])


async def test_rows_are_tables_by_column(tmp_path: Path, database: Database) -> None:
    body = """
    local done = db:execute("INSERT INTO t VALUES (:1, :2, :3, :4)", {1, "Ann", 7, sql.NULL})
    local rows = db:query("SELECT * FROM t WHERE name = :1", {"Ann"})
    return {done.rows_affected, #rows, rows[1].id, rows[1].name, rows[1].n, rows[1].data == nil, #db:query("SELECT 1 AS x WHERE 1 = 0")}
    """
    assert await ask(tmp_path, database, body) == [1, 1, 1, "Ann", 7, True, 0]


async def test_a_query_that_gives_no_rows_does_what_it_says(tmp_path: Path, database: Database) -> None:
    """By itself, and in a transaction, which goes on."""
    body = """
    local none, err = db:query("INSERT INTO t (id, name) VALUES (1, 'Ann')")
    local tx = db:begin()
    local also, failed = tx:query("UPDATE t SET name = 'Bob' WHERE id = 1")
    local seen = tx:query("SELECT name FROM t")[1].name
    tx:commit()
    return {err and err:message() or #none, failed and failed:message() or #also, seen, db:query("SELECT name FROM t")[1].name}
    """
    assert await ask(tmp_path, database, body) == [0, 0, "Bob", "Bob"]


async def test_postgres_copies_nothing_for_a_query(tmp_path: Path, postgres_url: str) -> None:
    database = {"name": "db", "kind": "db.sql.postgres", "url": postgres_url}
    body = """
    local rows, err = db:query("/* all */ COPY (SELECT 1) TO STDOUT")
    return {rows == nil, err ~= nil, db:query("SELECT 1 AS one")[1].one}
    """
    assert await ask(tmp_path, database, body, table=False) == [True, True, 1]


async def test_values_come_back_as_they_were(tmp_path: Path, database: Database) -> None:
    body = r"""
    local bytes = "\0\255\128'"
    db:execute("INSERT INTO t VALUES (1, :1, :2, :3)", {"naïve ☂", 42, payload.bytes(bytes)})
    db:execute("INSERT INTO t VALUES (2, :1, :2, :3)", {"", -1, bytes})
    local rows = db:query("SELECT * FROM t ORDER BY id")
    return {rows[1].name, rows[1].n, rows[1].data == bytes, rows[2].name, rows[2].n, rows[2].data == bytes}
    """
    assert await ask(tmp_path, database, body) == ["naïve ☂", 42, True, "", -1, True]


INJECTIONS = [
    "'; DROP TABLE t; --",
    "' OR '1'='1",
    '"; DELETE FROM t; --',
    "\\'; DROP TABLE t",
    "$1",
    "?",
    "%s",
    "a' || 'b",
]


@pytest.mark.parametrize("text", INJECTIONS)
async def test_a_parameter_is_never_part_of_the_statement(tmp_path: Path, database: Database, text: str) -> None:
    body = """
    local text = ...
    db:execute("INSERT INTO t (id, name) VALUES (1, 'kept')")
    db:execute("INSERT INTO t (id, name) VALUES (2, :1)", {text})
    local found = db:query("SELECT name FROM t WHERE name = :1", {text})
    return {#db:query("SELECT * FROM t"), #found, found[1].name}
    """
    source = script(database, body).replace("local text = ...\n", "").replace("{text}", "{(...)}")
    source = "local text = ...\n" + source.replace("{(...)}", "{text}")
    assert await run(tmp_path, source, text, modules=["sql"], entries=[database]) == [2, 1, text]


async def test_a_statement_holds_one_statement(tmp_path: Path) -> None:
    body = 'return {select(2, db:execute("DELETE FROM t; DROP TABLE t")):kind(), #db:query("SELECT * FROM t")}'
    assert await ask(tmp_path, {"name": "db", "kind": "db.sql.sqlite", "file": "x.db"}, body) == [INVALID, 0]


@pytest.mark.parametrize(
    "statement", ["ATTACH DATABASE 'other.db' AS other", "VACUUM INTO 'other.db'", "SELECT load_extension('x')"]
)
async def test_sqlite_reaches_its_own_file_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    monkeypatch.chdir(tmp_path)
    body = f'return select(2, db:execute("{statement}")) ~= nil and db:execute("VACUUM") ~= nil'
    assert await ask(tmp_path, {"name": "db", "kind": "db.sql.sqlite", "file": "x.db"}, body) is True
    assert not (tmp_path / "other.db").exists()


async def test_transactions_commit_and_roll_back(tmp_path: Path, database: Database) -> None:
    body = """
    local function add(tx, id) return tx:execute("INSERT INTO t (id) VALUES (:1)", {id}) end
    local tx = db:begin()
    add(tx, 1)
    local ended = {tx:commit()}
    tx = db:begin{isolation = sql.isolation.SERIALIZABLE, read_only = false}
    add(tx, 2)
    ended[2] = tx:rollback()
    tx = db:begin()
    add(tx, 3)
    ended[3] = tx:savepoint("s")
    add(tx, 4)
    ended[4] = tx:rollback_to("s")
    ended[5] = tx:release("s")
    tx:commit()
    local ids = {}
    for i, row in ipairs(db:query("SELECT id FROM t ORDER BY id")) do ids[i] = row.id end
    return {ended, ids, tx.commit ~= nil}
    """
    assert await ask(tmp_path, database, body) == [[True] * 5, [1, 3], True]


async def test_others_do_not_see_what_is_not_committed(tmp_path: Path, database: Database) -> None:
    body = """
    local tx = db:begin()
    tx:execute("INSERT INTO t (id) VALUES (1)")
    local before = #db:query("SELECT * FROM t")
    local busy = db:stats()
    tx:commit()
    return {before, #db:query("SELECT * FROM t"), busy.in_use, db:stats().in_use}
    """
    assert await ask(tmp_path, database, body) == [0, 1, 1, 0]


async def test_a_transaction_left_open_is_rolled_back(tmp_path: Path, database: Database) -> None:
    left = script(database, 'local tx = db:begin() tx:execute("INSERT INTO t (id) VALUES (1)") return tx ~= nil')
    failed = script(database, 'db:begin():execute("INSERT INTO t (id) VALUES (2)") error("x")', table=False)
    look = script(database, 'return {#db:query("SELECT * FROM t"), db:stats().in_use}', table=False)
    sources = {
        f"{n}.lua": f"return function() {s}\nend" for n, s in (("left", left), ("failed", failed), ("look", look))
    }
    entries = [database, *(function(Path(name).stem, modules=[*MODULES, "sql"]) for name in sources)]
    entries[0] |= {"pool": {"size": 1}}  # so that whoever comes next waits for the rollback
    async with host(load(tmp_path, sources, entries)) as target:
        assert await call(target, "left") is True
        with pytest.raises(Error):
            await call(target, "failed")
        assert await call(target, "look") == [0, 0]


async def test_what_is_over_is_invalid(tmp_path: Path, database: Database) -> None:
    body = """
    local function said(_, err) return {err:kind(), err:retryable()} end
    local out = {}
    local tx = db:begin()
    local statement, inside = db:prepare("SELECT 1 AS one"), tx:prepare("SELECT 2 AS two")
    local values = {statement:query()[1].one, inside:query()[1].two}
    tx:commit()
    out[1], out[2], out[3] = said(tx:commit()), said(tx:rollback()), said(tx:query("SELECT 1"))
    out[4], out[5] = said(inside:query()), said(tx:savepoint("x"))
    local ended = {statement:close(), db:release()}
    out[6], out[7] = said(statement:query()), said(statement:close())
    out[8], out[9], out[10] = said(db:query("SELECT 1")), said(db:release()), said(db:begin())
    return {values, ended, out}
    """
    assert await ask(tmp_path, database, body) == [[1, 2], [True, True], [[INVALID, False]] * 10]


@pytest.mark.parametrize(
    ("attempt", "kind"),
    [
        ('db:query("SELEC 1")', INVALID),
        ('db:query("SELECT * FROM nowhere")', INVALID),
        ('db:query("")', INVALID),
        ('db:query("SELECT :1, :2", {1})', INVALID),
        ('db:query("SELECT :1", {[1] = 1, [3] = 1})', INVALID),
        ('db:query("SELECT :1", {name = 1})', INVALID),
        ('db:query("SELECT :1", {{1}})', INVALID),
        ('db:execute("INSERT INTO t (id, name) VALUES (1, :1)", {"Ann"})', ALREADY_EXISTS),
        ('db:execute("INSERT INTO t (id, n) VALUES (2, 100)")', INVALID),
        ('db:begin{isolation = "chaos"}', INVALID),
        ('db:begin{readonly = true}', INVALID),
        ('db:begin{read_only = true}:execute("DELETE FROM t")', PERMISSION_DENIED),
        ('db:begin():savepoint("x; DROP TABLE t")', INVALID),
        ('db:begin():rollback_to("never")', INVALID),
        ('sql.get("")', INVALID),
        ('sql.get("app:none")', NOT_FOUND),
        ('sql.get("app:script")', NOT_FOUND),
    ],
)  # fmt: skip
async def test_failures_have_a_kind(tmp_path: Path, database: Database, attempt: str, kind: str) -> None:
    body = f"""
    db:execute("INSERT INTO t (id, name) VALUES (1, 'Ann')")
    local value, err = {attempt}
    return {{value == nil, err:kind(), err:retryable()}}
    """
    assert await ask(tmp_path, database, body) == [True, kind, False]


async def test_two_that_cannot_both_be_serial_conflict(tmp_path: Path, postgres_url: str) -> None:
    body = """
    db:execute("INSERT INTO t (id, n) VALUES (1, 0)")
    local a, b = db:begin{isolation = "serializable"}, db:begin{isolation = "serializable"}
    a:query("SELECT n FROM t") b:query("SELECT n FROM t")
    a:execute("UPDATE t SET n = n + 1") a:commit()
    local _, err = b:execute("UPDATE t SET n = n + 1")
    return {err:kind(), err:retryable(), b:rollback()}
    """
    entry = {"name": "db", "kind": "db.sql.postgres", "url": postgres_url}
    assert await ask(tmp_path, entry, body) == [CONFLICT, True, True]


async def test_a_statement_takes_no_longer_than_it_may(tmp_path: Path, database: Database) -> None:
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
    if database["kind"] == "db.sql.mysql":  # which ends a recursion by itself
        endless = "SELECT count(*) FROM seq_1_to_1000000000 AS a, seq_1_to_1000000000 AS b"
    body = f"""
    local _, err = db:query("{endless}")
    return {{err:kind(), err:retryable(), db:query("SELECT 1 AS one")[1].one}}
    """
    database["statement_timeout"] = "100ms"
    assert await ask(tmp_path, database, body, table=False) == [TIMEOUT, True, 1]


async def test_whoever_finds_no_connection_is_told(tmp_path: Path, database: Database) -> None:
    database["pool"] = {"size": 1, "timeout": "20ms"}
    body = 'local tx = db:begin() local _, err = db:query("SELECT 1") return {err:kind(), err:retryable(), tx:commit()}'
    assert await ask(tmp_path, database, body) == [TIMEOUT, True, True]


async def test_a_result_has_a_size(tmp_path: Path, database: Database) -> None:
    many = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 100001) SELECT x FROM c"
    if database["kind"] == "db.sql.mysql":
        many = "SELECT seq AS x FROM seq_1_to_100001"
    body = f'local _, err = db:query("{many}") return err:kind()'
    assert await ask(tmp_path, database, body, table=False) == LIMIT_EXCEEDED


async def test_a_file_is_made_with_its_directory(tmp_path: Path) -> None:
    entry: Database = {"name": "db", "kind": "db.sql.sqlite", "file": "data/of/the/app.db"}
    body = 'return db:query("SELECT 1 AS one")[1].one'
    assert await ask(tmp_path, entry, body, table=False) == 1
    assert (tmp_path / "data" / "of" / "the" / "app.db").exists()


async def test_a_server_that_is_away_says_nothing_of_its_login(tmp_path: Path) -> None:
    entry = {
        "name": "db",
        "kind": "db.sql.postgres",
        "host": "127.0.0.1",
        "port": 1,
        "username": "u",
        "password": "secret",
    }
    body = 'local _, err = db:query("SELECT 1") return {err:kind(), err:retryable(), tostring(err)}'
    assert await ask(tmp_path, entry, body, table=False) == [UNAVAILABLE, True, "no connection to app:db"]


async def test_memory_is_one_database_of_an_entry(tmp_path: Path) -> None:
    entries = [{"name": name, "kind": "db.sql.sqlite", "file": ":memory:"} for name in ("a", "b")]
    sources = {
        "write.lua": 'return function() return sql.get("app:a"):execute("CREATE TABLE t AS SELECT 1 AS x").rows_affected end',
        "read.lua": """return function(id)
          local rows = sql.get(id):query("SELECT x FROM t")
          return rows and rows[1].x or "nothing"
        end""",
    }
    functions = [function(name, modules=[*MODULES, "sql"]) for name in ("write", "read")]
    async with host(load(tmp_path, sources, [*entries, *functions])) as target:
        assert isinstance(target, ProcessHost)
        await call(target, "write")
        assert [await call(target, "read", name) for name in ("app:a", "app:b")] == [1, "nothing"]


async def test_mysql_tells_types_ids_and_bytes(tmp_path: Path, mysql_url: str) -> None:
    body = """
    db:execute("DROP TABLE IF EXISTS kinds")
    db:execute("CREATE TABLE kinds (id INTEGER PRIMARY KEY AUTO_INCREMENT, d DECIMAL(10, 2), at DATETIME, doc TEXT, flag BOOLEAN, x DOUBLE)")
    local done = db:execute("INSERT INTO kinds (d, at, doc, flag, x) VALUES (?, ?, ?, ?, ?)", {"12.50", "2026-01-02 03:04:05", "100% ☂ ?", true, 0.1})
    local row = db:query("SELECT * FROM kinds WHERE doc LIKE '100%' AND id = ?", {done.last_insert_id})[1]
    local tx = db:begin{isolation = sql.isolation.READ_COMMITTED}
    local types = {db:type() == sql.type.MYSQL, tx:db_type()}
    tx:rollback()
    return {done, row.d, row.at, row.doc, row.flag, row.x, types}
    """
    entry = {"name": "db", "kind": "db.sql.mysql", "url": mysql_url}
    assert await ask(tmp_path, entry, body, table=False) == [
        {"rows_affected": 1, "last_insert_id": 1},
        "12.50",
        "2026-01-02T03:04:05",
        "100% ☂ ?",
        1,
        0.1,
        [True, "mysql"],
    ]


async def test_mysql_by_its_parts_and_a_login_that_is_refused(tmp_path: Path, mysql_url: str) -> None:
    parts = make_url(mysql_url)
    entry = {"name": "db", "kind": "db.sql.mysql", "host": parts.host, "port": parts.port, "database": parts.database}
    body = 'local rows, err = db:query("SELECT 1 AS one") return {rows and rows[1].one or "", err and err:kind() or "", tostring(err)}'
    assert await ask(tmp_path, {**entry, "username": parts.username}, body, table=False) == [1, "", "nil"]
    refused = {**entry, "username": "nobody", "password": "secret"}
    assert await ask(tmp_path, refused, body, table=False) == ["", PERMISSION_DENIED, "app:db refuses the login"]


@pytest.mark.parametrize(
    ("version", "statement"),
    [
        ("11.4.2-MariaDB-ubu2404", "SET SESSION max_statement_time = 0.100"),
        ("8.4.0", "SET SESSION max_execution_time = 100"),
    ],
)
def test_each_server_is_told_its_time_limit(version: str, statement: str) -> None:
    assert time_limit(version, 0.1) == statement


async def test_what_a_database_is_and_does(tmp_path: Path) -> None:
    body = """
    local tx = db:begin()
    local types = {db:type() == sql.type.SQLITE, tx:db_type()}
    tx:rollback()
    return {types, db:execute("INSERT INTO t (name) VALUES ('x')").last_insert_id, db:stats()}
    """
    assert await ask(tmp_path, {"name": "db", "kind": "db.sql.sqlite", "file": "x.db"}, body) == [
        [True, "sqlite"],
        1,
        {"open_connections": 1, "in_use": 0, "idle": 1},
    ]


@pytest.mark.parametrize(
    ("sql", "count", "text"),
    [
        ("SELECT ?, '?', \"?\", `?` -- ?\n, ? # ?", 2, "SELECT %s, '?', \"?\", `?` -- ?\n, %s # ?"),
        ("SELECT '%' /* ? */, 'it''s ?', '\\'?'", 0, "SELECT '%%' /* ? */, 'it''s ?', '\\'?'"),
        ("a LIKE ? AND b % 2", 1, "a LIKE %s AND b %% 2"),
    ],
)
def test_placeholders_for_mysql(sql: str, count: int, text: str) -> None:
    assert to_format(sql, count) == text
    with pytest.raises(Error, match=f"{count} placeholders, {count + 1} parameters"):
        to_format(sql, count + 1)
