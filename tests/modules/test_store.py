"""The `store` module: the same scripts over memory, SQLite, PostgreSQL and MySQL."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import ALREADY_EXISTS, CONFLICT, INVALID, LIMIT_EXCEEDED, NOT_FOUND
from tests.modules.host_script import run
from tests.process.support import MODULES, call, function, host, load

Entries = list[dict[str, Any]]
OPEN = 'local s, problem = store.get("app:s") if problem then return nil, problem end\n'


@pytest.fixture(params=["memory", "sqlite", "postgres", "mysql"])
def entries(request: pytest.FixtureRequest) -> Entries:
    if request.param == "memory":
        return [{"name": "s", "kind": "store.memory"}]
    table = {"name": "s", "kind": "store.sql", "database": "db", "table": f"t{abs(hash(request.node.name))}"}
    if request.param == "sqlite":
        return [table, {"name": "db", "kind": "db.sql.sqlite", "file": "s.db"}]
    url = request.getfixturevalue(f"{request.param}_url")
    return [table, {"name": "db", "kind": f"db.sql.{request.param}", "url": url}]


async def ask(directory: Path, entries: Entries, body: str) -> Any:
    return await run(directory, OPEN + body, modules=["store", "sql"], entries=entries)


async def test_what_is_set_is_got(tmp_path: Path, entries: Entries) -> None:
    body = r"""
    local values = {"text", 1, 1.0, true, {a = {1, 2}}, json.object{}, json.array{}, payload.bytes("\255\0")}
    local same = {}
    for i, value in ipairs(values) do
      s:set("k" .. i, value)
      same[i] = s:get("k" .. i)
    end
    same[8] = same[8] == "\255\0"
    return {same, math.type(same[3]), s:set("k1", "other"), s:get("k1"), s:has("k1"), s:has("none")}
    """
    values = ["text", 1, 1.0, True, {"a": [1, 2]}, {}, [], True]
    assert await ask(tmp_path, entries, body) == [values, "float", True, "other", True, False]


async def test_deleting(tmp_path: Path, entries: Entries) -> None:
    body = 's:set("k", 1) return {s:delete("k"), s:delete("k"), s:has("k"), select(2, s:get("k")):kind(), select(2, s:entry("k")):kind()}'
    assert await ask(tmp_path, entries, body) == [True, False, False, NOT_FOUND, NOT_FOUND]


async def test_what_is_no_longer_alive_is_not_there(tmp_path: Path, entries: Entries) -> None:
    body = """
    s:set("short", 1, 0.001) s:set("long", 2, 3600) s:set("forever", 3) s:put("text", 4, {ttl = "1h"})
    while s:has("short") do time.sleep("1ms") end
    local keys = {}
    for i, entry in ipairs(s:list()) do keys[i] = entry.key end
    return {keys, select(2, s:get("short")):kind(), s:delete("short"), s:info().size, s:entry("long").expires_at > time.now():unix(),
      s:entry("forever").expires_at == nil, s:put("short", 5, {only_if_absent = true}).key}
    """
    assert await ask(tmp_path, entries, body) == [
        ["forever", "long", "text"], NOT_FOUND, False, 3, True, True, "short",
    ]  # fmt: skip


async def test_conditions(tmp_path: Path, entries: Entries) -> None:
    body = """
    local first = s:put("k", 1, {only_if_absent = true})
    local _, exists = s:put("k", 2, {only_if_absent = true})
    local second = s:put("k", 3, {if_version = first.version})
    local _, stale = s:put("k", 4, {if_version = first.version})
    local fresh = s:put("new", 5, {if_version = 0})
    s:delete("k")
    local again = s:put("k", 6)
    return {exists:kind(), exists:retryable(), stale:kind(), stale:details().version == second.version, second.version > first.version,
      s:entry("new").version == fresh.version, again.version > second.version, s:get("k")}
    """
    assert await ask(tmp_path, entries, body) == [ALREADY_EXISTS, False, CONFLICT, True, True, True, True, 6]


async def test_lists_are_in_order_and_go_on(tmp_path: Path, entries: Entries) -> None:
    body = """
    for _, key in ipairs{"b/2", "a", "b/1", "c", "b/é", "B"} do s:set(key, key) end
    local function keys(options)
      local found = {}
      for i, entry in ipairs(s:list(options)) do found[i] = entry.value end
      return found
    end
    return {keys(), keys{prefix = "b/"}, keys{prefix = "b/", after = "b/1", limit = 1}, keys{after = "c"}, keys{limit = 2}}
    """
    everything = ["B", "a", "b/1", "b/2", "b/é", "c"]
    assert await ask(tmp_path, entries, body) == [
        everything, ["b/1", "b/2", "b/é"], ["b/2"], [], ["B", "a"],
    ]  # fmt: skip


async def test_a_full_store_takes_no_new_key(tmp_path: Path, entries: Entries) -> None:
    entries[0]["max_size"] = 2
    body = """
    s:set("a", 1) s:set("b", 2)
    local _, err = s:set("c", 3)
    local over = s:set("a", 4)
    s:delete("b")
    return {err:kind(), err:retryable(), over, s:set("c", 3), s:info().size, s:info().max_size}
    """
    assert await ask(tmp_path, entries, body) == [LIMIT_EXCEEDED, False, True, True, 2, 2]


async def test_a_released_handle_is_of_no_more_use(tmp_path: Path, entries: Entries) -> None:
    body = """
    local before = tostring(s)
    local out = {before, s:release(), s:release(), tostring(s)}
    for _, name in ipairs{"get", "set", "has", "delete", "entry", "put", "list", "info"} do
      local _, err = s[name](s, "k", 1)
      out[#out + 1] = err:kind() == "Invalid" and err:retryable() == false
    end
    return out
    """
    assert await ask(tmp_path, entries, body) == ["store.Store{}", True, True, "store.Store{released}", *[True] * 8]


@pytest.mark.parametrize(
    ("attempt", "kind"),
    [
        ('store.get("")', INVALID),
        ('store.get("app:none")', NOT_FOUND),
        ('store.get("app:script")', NOT_FOUND),
        ('s:get("")', INVALID),
        ('s:set("", 1)', INVALID),
        ('s:set(("k"):rep(256), 1)', INVALID),
        ('s:set("k\\255", 1)', INVALID),
        ('s:set("k", nil)', INVALID),
        ('s:set("k", print)', INVALID),
        ('s:set("k", 1, -1)', INVALID),
        ('s:set("k", 1, "soon")', INVALID),
        ('s:put("k", 1, {ttl_s = 1})', INVALID),
        ('s:put("k", 1, {if_version = "1"})', INVALID),
        ("s:list{limit = 0}", INVALID),
        ("s:list{limit = 1001}", INVALID),
    ],
)
async def test_what_will_not_do(tmp_path: Path, attempt: str, kind: str) -> None:
    body = f"local v, err = {attempt} return {{v == nil, err:kind(), err:retryable()}}"
    assert await ask(tmp_path, [{"name": "s", "kind": "store.memory"}], body) == [True, kind, False]


@pytest.mark.parametrize("key", ["'; DROP TABLE store; --", "%", "_", "' OR ''='", "\\", "\0"])
async def test_a_key_is_never_part_of_a_statement(tmp_path: Path, entries: Entries, key: str) -> None:
    source = f"local key = ...\n{OPEN} s:set('kept', 1) s:set(key, 2) return {{s:get('kept'), s:get(key), #s:list{{prefix = key}}, s:info().size}}"
    assert await run(tmp_path, source, key, modules=["store"], entries=entries) == [1, 2, 1, 2]


async def test_one_of_many_wins(tmp_path: Path, entries: Entries) -> None:
    sources = {
        "win.lua": f"return function() {OPEN} return s:put('lock', 1, {{only_if_absent = true}}) ~= nil end",
        "add.lua": f"""return function() {OPEN}
          while true do
            local now = s:entry("n")
            local next, version = now and now.value + 1 or 1, now and now.version or 0
            if s:put("n", next, {{if_version = version}}) then return true end
          end
        end""",
        "sum.lua": f"return function() {OPEN} return s:get('n') end",
    }
    functions = [function(Path(name).stem, modules=[*MODULES, "store"]) for name in sources]
    async with host(load(tmp_path, sources, [*entries, *functions])) as target:
        assert sum(await asyncio.gather(*(call(target, "win") for _ in range(8)))) == 1
        await asyncio.gather(*(call(target, "add") for _ in range(8)))
        assert await call(target, "sum") == 8


async def test_a_table_outlives_its_host(tmp_path: Path) -> None:
    entries: Entries = [
        {"name": "s", "kind": "store.sql", "database": "db"},
        {"name": "db", "kind": "db.sql.sqlite", "file": "s.db"},
    ]
    assert await ask(tmp_path, entries, 'return s:set("k", {1})') is True
    assert await ask(tmp_path, entries, 'return s:get("k")') == [1]


async def test_expired_rows_are_swept(tmp_path: Path) -> None:
    entries: Entries = [
        {"name": "s", "kind": "store.sql", "database": "db", "sweep_interval": "5ms"},
        {"name": "db", "kind": "db.sql.sqlite", "file": "s.db"},
    ]
    body = """
    s:set("k", 1, 0.001)
    local db = sql.get("app:db")
    while #db:query("SELECT 1 AS one FROM store") > 0 do time.sleep("1ms") end
    return "swept"
    """
    assert await ask(tmp_path, entries, body) == "swept"
