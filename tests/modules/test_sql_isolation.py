"""What one script does with a database stays in the database: no other file is reached, and the next to have the connection finds it as new."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import INVALID, PERMISSION_DENIED, TIMEOUT
from runtime.modules.sql import postgres
from tests.modules.test_sql import Database, ask, script
from tests.process.support import MODULES, call, function, host, load

SQLITE: Database = {"name": "db", "kind": "db.sql.sqlite", "file": "own.db"}


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def database(request: pytest.FixtureRequest) -> Database:
    """With one connection, so that whoever comes next has the same one."""
    if request.param == "sqlite":
        return {**SQLITE, "pool": {"size": 1}}
    url = request.getfixturevalue(f"{request.param}_url")
    return {"name": "db", "kind": f"db.sql.{request.param}", "url": url, "pool": {"size": 1}}


async def after(directory: Path, database: Database, first: str, second: str) -> Any:
    """What `second` returns, after `first` of another execution has ended."""
    sources = {
        f"{name}.lua": f"return function() {script(database, body, table=name == 'first')}\nend"
        for name, body in (("first", first), ("second", second))
    }
    entries = [database, *(function(Path(name).stem, modules=[*MODULES, "sql"]) for name in sources)]
    async with host(load(directory, sources, entries)) as target:
        assert await call(target, "first") == "done"
        return await call(target, "second")


REFUSED = [
    ("ATTACH 'other.db' AS a", "ATTACH other.db is refused"),
    ("ATTACH 'oth' || 'er.db' AS a", "ATTACH is refused"),
    ("ATTACH ? AS a", "ATTACH is refused"),
    ("ATTACH '' AS a", "ATTACH is refused"),
    ("/* VACUUM */ ATTACH ':memory:' AS a", "ATTACH :memory: is refused"),
    ("EXPLAIN ATTACH 'other.db' AS a", "ATTACH other.db is refused"),
    ("DETACH main", "DETACH main is refused"),
    ("VACUUM INTO 'other.db'", "refused"),
    ("VACUUM INTO ?", "refused"),
    ("VACUUM main INTO 'oth' || 'er.db'", "refused"),
    ("SELECT load_extension('x')", "this load_extension is refused"),
    ("SELECT 1 WHERE load_extension(?) IS NULL", "this load_extension is refused"),
    ("WITH x AS (SELECT load_extension('x') AS y) SELECT y FROM x", "this load_extension is refused"),
    ("SELECT fts3_tokenizer('simple')", "this fts3_tokenizer is refused"),
    ("PRAGMA query_only = 0", "PRAGMA query_only is refused"),
    ("PRAGMA main.QUERY_ONLY(0)", "PRAGMA QUERY_ONLY is refused"),
    ("PRAGMA foreign_keys", "PRAGMA foreign_keys is refused"),
    ("PRAGMA writable_schema = ON", "PRAGMA writable_schema is refused"),
    ("PRAGMA temp_store_directory = '/tmp'", "PRAGMA temp_store_directory is refused"),
    ("PRAGMA database_list", "PRAGMA database_list is refused"),
    ("PRAGMA nonsense", "PRAGMA nonsense is refused"),
    ("PRAGMA schema_version = 7", "PRAGMA schema_version is refused"),
    ("SELECT * FROM pragma_database_list", "PRAGMA database_list is refused"),
    ("SELECT * FROM pragma_foreign_keys", "PRAGMA foreign_keys is refused"),
    ("BEGIN", "TRANSACTION BEGIN is refused: begin with db:begin()"),
    ("COMMIT", "TRANSACTION COMMIT is refused"),
    ("SAVEPOINT x", "SAVEPOINT BEGIN is refused: use tx:savepoint(name)"),
    ("CREATE VIRTUAL TABLE v USING dbstat", "refused"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "said"), REFUSED)
async def test_what_leaves_a_sqlite_database_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    body = f"""
    local _, err = db:execute([[{statement}]], {"{'other.db'}" if "?" in statement else "{}"})
    return {{err:kind(), tostring(err), db:query("SELECT count(*) AS n FROM t")[1].n}}
    """
    kind, message, rows = await ask(tmp_path, SQLITE, body)
    assert (kind, rows) == (PERMISSION_DENIED, 0)
    assert said in message
    assert not (tmp_path / "other.db").exists()


async def test_a_view_and_a_trigger_may_no_more_than_a_statement(tmp_path: Path) -> None:
    body = """
    local function refused(...) return tostring(select(2, ...)) end
    db:execute("CREATE VIEW v AS SELECT load_extension('x') AS y")
    db:execute("CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT load_extension('x'); END")
    db:execute("CREATE VIEW p AS SELECT * FROM pragma_database_list")
    return {refused(db:query("SELECT * FROM v")), refused(db:execute("INSERT INTO t (id) VALUES (1)")), refused(db:query("SELECT * FROM p"))}
    """
    view, trigger, pragma = await ask(tmp_path, SQLITE, body)
    assert "load_extension" in view  # SQLite itself, or we
    assert "load_extension" in trigger
    assert "database_list is refused" in pragma


async def test_what_stays_in_a_sqlite_database_is_done(tmp_path: Path) -> None:
    body = """
    for _, statement in ipairs {
        "CREATE VIRTUAL TABLE f USING fts5(words)", "INSERT INTO f VALUES ('a blue sky')", "CREATE VIRTUAL TABLE r USING rtree(id, a, b)",
        "INSERT INTO r VALUES (1, 2.0, 3.0)", "CREATE INDEX i ON t (n)", "CREATE TEMP VIEW w AS SELECT 1", "REINDEX", "ANALYZE",
        "ALTER TABLE t ADD COLUMN more", "PRAGMA user_version = 7", "VACUUM", "vacuum main;", "PRAGMA optimize",
    } do assert(db:execute(statement)) end
    local function one(text) return assert(db:query(text))[1].x end
    return {
        one("SELECT highlight(f, 0, '<', '>') AS x FROM f WHERE f MATCH 'blue' ORDER BY bm25(f)"), one("SELECT id AS x FROM r WHERE a < 3"),
        one("SELECT json_extract('{\\"a\\": 5}', '$.a') AS x"), one("SELECT user_version AS x FROM pragma_user_version"), one("SELECT name AS x FROM pragma_table_info('t')"),
        one("SELECT 'naive' REGEXP 'n.*e$' AS x"), one("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 9) SELECT max(x) AS x FROM c"),
    }
    """
    assert await ask(tmp_path, SQLITE, body) == ["a <blue> sky", 1, 5, 7, "id", 1, 9]


async def test_a_temporary_table_is_gone_with_its_connection(tmp_path: Path, database: Database) -> None:
    first = """
    db:execute("INSERT INTO t (id, name) VALUES (1, 'real')")
    assert(db:begin()):rollback()
    local tx = db:begin()
    assert(tx:execute("CREATE TEMPORARY TABLE mine (name VARCHAR(9))"))
    assert(tx:execute("INSERT INTO mine VALUES ('other')"))
    assert(tx:commit())
    return "done"
    """
    assert await after(tmp_path, database, first, 'return select(2, db:query("SELECT * FROM mine")):kind()') == INVALID


async def test_a_temporary_object_shadows_nothing_for_the_next(tmp_path: Path) -> None:
    first = """
    db:execute("CREATE TABLE orders AS SELECT 'real' AS x")
    db:execute("CREATE TABLE log (x)")
    local tx = db:begin()
    for _, statement in ipairs {
        "CREATE TEMP VIEW orders AS SELECT 'other' AS x", "CREATE TEMP TABLE t (x)", 'CREATE TEMP TABLE "a""b" (x INTEGER PRIMARY KEY AUTOINCREMENT)',
        "CREATE TEMP TRIGGER g AFTER INSERT ON main.t BEGIN INSERT INTO log VALUES (new.id); END", "CREATE VIRTUAL TABLE temp.f USING fts5(x)",
        "INSERT INTO log VALUES (1), (2), (3)",
    } do assert(tx:execute(statement)) end
    tx:commit()
    return "done"
    """
    second = """
    assert(db:execute("INSERT INTO t (id) VALUES (4)"))
    local one = db:query("SELECT x, (SELECT count(*) FROM log) AS logged, (SELECT count(*) FROM sqlite_temp_master WHERE name NOT LIKE 'sqlite%') AS temporary FROM orders")[1]
    return {one.x, one.logged, one.temporary}
    """
    for file in ("own.db", ":memory:"):
        entry = {**SQLITE, "file": file, "pool": {"size": 1}}
        assert await after(tmp_path, entry, first, second) == ["real", 3, 0], file


async def test_the_last_id_of_another_is_not_told(tmp_path: Path) -> None:
    first = 'db:execute("INSERT INTO t (id) VALUES (4711)") return "done"'
    second = 'return db:query("SELECT last_insert_rowid() AS id")[1].id'
    assert await after(tmp_path, {**SQLITE, "pool": {"size": 1}}, first, second) == 0


@pytest.mark.parametrize(
    ("kind", "done", "asked", "found"),
    [
        ("postgres", "SET search_path TO nowhere", "SELECT current_setting('search_path') AS x", '"$user", public'),
        ("postgres", "SET statement_timeout = 0", "SELECT current_setting('statement_timeout') AS x", "30s"),
        ("postgres", "SELECT set_config('a.b', 'c', false)", "SELECT coalesce(current_setting('a.b', true), '') AS x", ""),
        ("postgres", "SELECT pg_advisory_lock(1)", "SELECT count(*) AS x FROM pg_locks WHERE locktype = 'advisory'", 0),
        ("postgres", "PREPARE p AS SELECT 1", "SELECT count(*) AS x FROM pg_prepared_statements", 0),
        ("postgres", "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "SELECT count(*) AS x FROM pg_cursors WHERE name = 'c'", 0),
        ("postgres", "LISTEN heard", "SELECT count(*) AS x FROM pg_listening_channels()", 0),
        ("postgres", "SET client_encoding TO LATIN1", "SELECT '☂' AS x", "☂"),
        ("mysql", "SET @mine = 1", "SELECT coalesce(@mine, 'nothing') AS x", "nothing"),
        ("mysql", "SET SESSION sql_mode = 'ANSI_QUOTES'", "SELECT \"☂\" AS x", "☂"),
        ("mysql", "SET SESSION max_statement_time = 0", "SELECT CAST(@@max_statement_time AS INT) AS x", 30),
        ("mysql", "SET autocommit = 0", "SELECT @@autocommit AS x", 1),
        ("mysql", "DO GET_LOCK('mine', 1)", "SELECT IS_FREE_LOCK('mine') AS x", 1),
        ("mysql", "USE information_schema", "SELECT database() AS x", "test"),
        ("mysql", "SET NAMES latin1", "SELECT '☂' AS x", "☂"),
        ("mysql", "START TRANSACTION", "SELECT @@in_transaction AS x", 0),
    ],
)  # fmt: skip
async def test_what_was_set_is_as_new_for_the_next(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str, done: str, asked: str, found: Any
) -> None:
    url = request.getfixturevalue(f"{kind}_url")
    database = {"name": "db", "kind": f"db.sql.{kind}", "url": url, "pool": {"size": 1}}
    first = f'assert(db:execute([[{done}]])) return "done"'
    assert await after(tmp_path, database, first, f"return assert(db:query([[{asked}]]))[1].x") == found


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
async def test_a_transaction_that_no_one_can_end_is_not_left_open(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    database = {
        "name": "db",
        "kind": f"db.sql.{kind}",
        "url": request.getfixturevalue(f"{kind}_url"),
        "pool": {"size": 1},
    }
    first = """
    for _, statement in ipairs { "BEGIN", "INSERT INTO t (id) VALUES (1)", "ROLLBACK" } do assert(db:execute(statement)) end
    return "done"
    """
    assert await after(tmp_path, database, first, 'return db:query("SELECT count(*) AS n FROM t")[1].n') == 1


@pytest.mark.parametrize(
    "attempt",
    [
        "PRAGMA query_only = 0",
        "COMMIT",
        "ROLLBACK",
        "BEGIN",
        "START TRANSACTION READ WRITE",
        "SET TRANSACTION READ WRITE",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "COMMIT; INSERT INTO t (id) VALUES (1)",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "BEGIN NOT ATOMIC COMMIT; INSERT INTO t (id) VALUES (1); END",
        "/*!50000 COMMIT */",
        "/* SELECT */ COMMIT",
        "EXECUTE IMMEDIATE 'COMMIT'",
    ],
)
async def test_a_read_only_transaction_stays_one(tmp_path: Path, database: Database, attempt: str) -> None:
    body = f"""
    local tx = db:begin{{read_only = true}}
    tx:execute([[{attempt}]])
    local _, err = tx:execute("INSERT INTO t (id) VALUES (1)")
    tx:rollback()
    return {{err ~= nil, db:query("SELECT count(*) AS n FROM t")[1].n, db:execute("INSERT INTO t (id) VALUES (2)") ~= nil}}
    """
    assert await ask(tmp_path, database, body) == [True, 0, True]


async def test_a_transaction_that_its_text_ended_is_over(tmp_path: Path, database: Database) -> None:
    body = """
    local tx = db:begin()
    local _, refused = tx:execute("ROLLBACK")
    local _, after = tx:execute("INSERT INTO t (id) VALUES (1)")
    local committed, err = tx:commit()
    return {refused and refused:kind() or "", after and after:kind() or "", err and err:kind() or "", db:query("SELECT count(*) AS n FROM t")[1].n}
    """
    is_sqlite = database["kind"] == "db.sql.sqlite"
    expected = [PERMISSION_DENIED, "", "", 1] if is_sqlite else ["", INVALID, INVALID, 0]
    assert await ask(tmp_path, database, body) == expected


async def test_one_statement_at_a_time(tmp_path: Path, database: Database) -> None:
    body = """
    db:execute("INSERT INTO t (id) VALUES (1)")
    return {select(2, db:execute("DELETE FROM t; DROP TABLE t")):kind(), db:query("SELECT count(*) AS n FROM t")[1].n}
    """
    assert await ask(tmp_path, database, body) == [INVALID, 1]


async def test_the_reading_of_rows_takes_no_longer_than_it_may(tmp_path: Path) -> None:
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c WHERE x = 1"
    body = f'local _, err = db:query("{endless}") return {{err:kind(), #db:query("SELECT 1")}}'
    entry = {**SQLITE, "statement_timeout": "100ms"}
    assert await ask(tmp_path, entry, body, table=False) == [TIMEOUT, 1]


async def test_a_connection_that_cannot_be_made_as_new_is_closed(tmp_path: Path, postgres_url: str) -> None:
    database = {"name": "db", "kind": "db.sql.postgres", "url": postgres_url, "pool": {"size": 1}}
    first = 'db:query("COPY (SELECT 1) TO STDOUT") return "done"'
    assert await after(tmp_path, database, first, 'return db:query("SELECT 1 AS x")[1].x') == 1


ENDLESS = {
    "SET LOCAL statement_timeout = 0": "SELECT pg_sleep(600)",
    "SELECT 1": """DO $$ BEGIN
        EXECUTE 'SET LOCAL statement_timeout = 0';
        LOOP BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP;
    END $$""",
}


@pytest.mark.parametrize("first", ENDLESS)
async def test_a_statement_that_sets_its_own_time_ends_in_the_entry_s(
    tmp_path: Path, postgres_url: str, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a cancellation; where a block catches that, with its connection. The next statement finds another."""
    monkeypatch.setattr(postgres, "_HEEDED", 1.0)
    database = {
        "name": "db",
        "kind": "db.sql.postgres",
        "url": postgres_url,
        "pool": {"size": 1},
        "statement_timeout": "200ms",
    }
    body = f"""
    local tx = db:begin()
    assert(tx:execute([[{first}]]))
    local _, err = tx:execute([[{ENDLESS[first]}]])
    pcall(tx.rollback, tx)
    return err and "done"
    """
    assert await after(tmp_path, database, body, "return assert(db:query('SELECT 7 AS x'))[1].x") == 7


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
async def test_a_result_is_never_held_whole(tmp_path: Path, request: pytest.FixtureRequest, kind: str) -> None:
    """Gigabytes of it are passed over, and the transaction goes on."""
    of = {
        "postgres": "SELECT repeat('x', 1000) AS x FROM generate_series(1, 1000000)",
        "mysql": "SELECT repeat('x', 1000) AS x FROM seq_1_to_1000000",
    }
    url = request.getfixturevalue(f"{kind}_url")
    database = {"name": "db", "kind": f"db.sql.{kind}", "url": url, "pool": {"size": 1}, "statement_timeout": "10m"}
    body = f"""
    local tx = db:begin()
    local _, err = tx:query([[{of[kind]}]])
    assert(err:kind() == errors.LIMIT_EXCEEDED)
    assert(tx:execute("INSERT INTO t (id) VALUES (1)"))
    assert(tx:commit())
    return "done"
    """
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert await after(tmp_path, database, body, "return assert(db:query('SELECT count(*) AS n FROM t'))[1].n") == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 * 1024
