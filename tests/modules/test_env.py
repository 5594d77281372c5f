from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.errors import INVALID, NOT_FOUND, PERMISSION_DENIED, UNAVAILABLE
from runtime.registry import EnvStorageFile, RegistryError
from tests.modules.host_script import run
from tests.process.support import call, function, host, load

ENTRIES: list[dict[str, Any]] = [
    {"name": "url", "kind": "env.variable", "variable": "SHOP_URL"},
    {"name": "level", "kind": "env.variable", "variable": "LEVEL", "default": "info"},
    {"name": "key", "kind": "env.variable", "variable": "API_KEY", "readonly": True},
]


async def ask(directory: Path, body: str) -> Any:
    environ = {"SHOP_URL": "http://shop", "SECRET": "hidden", "API_KEY": "k"}
    return await run(directory, body, entries=ENTRIES, environ=environ)


async def test_registered_variables_are_read_by_either_name(tmp_path: Path) -> None:
    body = 'return { env.get("SHOP_URL"), env.get("app:url"), env.get("LEVEL") }'
    assert await ask(tmp_path, body) == ["http://shop", "http://shop", "info"]


async def test_all_are_listed_by_public_name_and_nothing_else(tmp_path: Path) -> None:
    assert await ask(tmp_path, "return env.get_all()") == {"API_KEY": "k", "LEVEL": "info", "SHOP_URL": "http://shop"}


async def test_set_holds_from_then_on(tmp_path: Path) -> None:
    assert await ask(tmp_path, 'return { env.set("LEVEL", "debug"), env.get("app:level") }') == [True, "debug"]


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ('get("SECRET")', NOT_FOUND),
        ('get("")', INVALID),
        ('set("SECRET", "x")', NOT_FOUND),
        ('set("API_KEY", "x")', PERMISSION_DENIED),
    ],
)
async def test_what_is_not_registered_or_not_to_be_changed(tmp_path: Path, call: str, kind: str) -> None:
    assert await ask(tmp_path, f"local v, err = env.{call} return {{ v == nil, err:kind() }}") == [True, kind]


async def test_a_value_is_text_of_some_size(tmp_path: Path) -> None:
    body = """
    local out = {}
    for i, value in ipairs{"a\\0b", ("x"):rep(70000)} do out[i] = select(2, env.set("LEVEL", value)):kind() end
    return out
    """
    assert await ask(tmp_path, body) == [INVALID, INVALID]


async def test_each_storage_keeps_its_own(tmp_path: Path) -> None:
    entries: list[dict[str, Any]] = [
        {"name": "memory", "kind": "env.storage.memory", "values": {"A": "from memory"}},
        {"name": "os", "kind": "env.storage.os"},
        {"name": "file", "kind": "env.storage.file", "file": "vars.env"},
        {"name": "all", "kind": "env.storage.router", "storages": ["memory", "file", "os"]},
        *(
            {"name": f"{storage}_{name}", "kind": "env.variable", "variable": name, "storage": storage}
            for storage in ("memory", "os", "file", "all")
            for name in ("A", "B", "C")
        ),
    ]
    (tmp_path / "vars.env").write_text("B=from file\n")
    body = """
    local function read(storage)
      local out = {}
      for i, name in ipairs{"A", "B", "C"} do out[i] = env.get("app:" .. storage .. "_" .. name) or "none" end
      return out
    end
    local out = {read("memory"), read("os"), read("file"), read("all")}
    out[5] = env.set("app:all_C", "routed")
    out[6], out[7] = read("all"), read("memory")
    out[8] = env.set("app:os_A", "set") and env.set("app:file_A", "kept")
    out[9], out[10], out[11] = read("os"), read("file"), read("all")
    return out
    """
    assert await run(tmp_path, body, entries=entries, environ={"C": "from os"}) == [
        ["from memory", "none", "none"],
        ["none", "none", "from os"],
        ["none", "from file", "none"],
        ["from memory", "from file", "from os"],
        True,
        ["from memory", "from file", "routed"],
        ["from memory", "none", "routed"],
        True,
        ["set", "none", "from os"],
        ["kept", "from file", "none"],
        ["from memory", "from file", "routed"],
    ]
    assert (tmp_path / "vars.env").read_text() == "B=from file\nA='kept'\n"


FILE = """\
# what the shop needs
export URL=http://shop  # not part of it
NAME="Ann \\"A\\" Smith"
LINES='one
two'
TWICE=1
EMPTY=
BARE
TWICE=2
RAW=${URL}/x"""


def variables(*names: str) -> list[dict[str, Any]]:
    storage = {"name": "file", "kind": "env.storage.file", "file": "vars.env"}
    return [
        storage,
        *({"name": name.lower(), "kind": "env.variable", "variable": name, "storage": "file"} for name in names),
    ]


async def test_a_file_is_read_as_such_files_are(tmp_path: Path) -> None:
    (tmp_path / "vars.env").write_text(FILE)
    names = ["URL", "NAME", "LINES", "TWICE", "EMPTY", "RAW"]
    assert await run(tmp_path, "return env.get_all()", entries=variables(*names)) == {
        "URL": "http://shop",
        "NAME": 'Ann "A" Smith',
        "LINES": "one\ntwo",
        "TWICE": "2",
        "EMPTY": "",
        "RAW": "${URL}/x",
    }


def hidden(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir() if path.name.startswith(".")]


async def test_a_change_leaves_every_other_line(tmp_path: Path) -> None:
    path = tmp_path / "vars.env"
    path.write_text(FILE)
    path.chmod(0o640)
    body = 'return {env.set("TWICE", "3"), env.set("NEW", "n"), env.get("TWICE"), env.get("NEW")}'
    assert await run(tmp_path, body, entries=variables("TWICE", "NEW")) == [True, True, "3", "n"]
    assert path.read_text() == FILE.replace("TWICE=2", "TWICE='3'") + "\nNEW='n'\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert hidden(tmp_path) == []


@pytest.mark.parametrize(
    "value", ["", " a ", "it's", '"q"', "back\\slash\\", "\\'", "two\nlines", "naïve ☂", "a#b = c", "${X}", "\r\n\t"]
)
async def test_any_text_comes_back_from_a_file(tmp_path: Path, value: str) -> None:
    body = 'local v = ... return {env.set("A", v), env.get("A") == v, env.set("B", v), env.get("A") == v, env.get("B") == v}'
    assert await run(tmp_path, body, value, entries=variables("A", "B")) == [True] * 5


async def test_a_new_file_is_for_its_owner_only_and_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "vars.env").symlink_to("real.env")
    assert await run(tmp_path, 'return env.set("A", "1")', entries=variables("A")) is True
    assert (tmp_path / "vars.env").is_symlink()
    assert (tmp_path / "real.env").stat().st_mode & 0o777 == 0o600


async def test_writers_do_not_lose_each_others_variables(tmp_path: Path) -> None:
    names = [f"V{number}" for number in range(20)]
    body = """
    local done = channel.new(20)
    for n = 0, 19 do coroutine.spawn(function() env.set("V" .. n, tostring(n)) done:send(n) end) end
    for _ = 1, 20 do done:receive() end
    return env.get_all()
    """
    expected = {name: name[1:] for name in names}
    assert await run(tmp_path, body, entries=variables(*names)) == expected


@pytest.mark.parametrize(
    ("storage", "call", "kind", "text"),
    [
        ({"file": "no/such/place.env"}, 'set("A", "1")', NOT_FOUND, "file of the storage not found: app:file"),
        ({"file": "gone.env", "create": False}, 'set("A", "1")', NOT_FOUND, "file of the storage not found: app:file"),
        ({"file": "."}, 'get("A")', UNAVAILABLE, "app:file: the file cannot be read: Is a directory"),
        ({"file": "bytes.env"}, 'get("A")', INVALID, "a file of variables is UTF-8 text"),
        ({"file": "large.env"}, 'get("A")', INVALID, "a file of variables holds at most 1048576 bytes"),
    ],
)
async def test_a_file_that_cannot_be_used(
    tmp_path: Path, storage: dict[str, Any], call: str, kind: str, text: str
) -> None:
    (tmp_path / "bytes.env").write_bytes(b"A=\xff")
    (tmp_path / "large.env").write_bytes(b"#" * (1024**2 + 1))
    entries = variables("A")
    entries[0] = {"name": "file", "kind": "env.storage.file", **storage}
    body = f"local _, err = env.{call} return {{err:kind(), err:message()}}"
    assert await run(tmp_path, body, entries=entries) == [kind, text]


@pytest.mark.parametrize("mode", [600, "0600", "600", "0o600"])
def test_a_mode_is_octal_however_it_is_written(tmp_path: Path, mode: object) -> None:
    entry = {"name": "file", "kind": "env.storage.file", "file": "x.env", "mode": mode}
    found = load(tmp_path, {}, [entry])["app:file"]
    assert isinstance(found, EnvStorageFile)
    assert found.mode == 0o600


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ([{"name": "f", "kind": "env.storage.file", "file": "x", "mode": "rw"}], 'expects permissions such as "0600"'),
        ([{"name": "r", "kind": "env.storage.router", "storages": []}], "storages"),
        ([{"name": "r", "kind": "env.storage.router", "storages": ["s"]}, {"name": "s", "kind": "env.storage.router",
          "storages": ["r"]}], "storages go round in a circle: app:r → app:s → app:r"),
        ([{"name": "v", "kind": "env.variable", "variable": "A B"}], "expects the name of a variable"),
        ([{"name": "v", "kind": "env.variable", "variable": "A", "storage": "v2"}], "no entry"),
    ],
)  # fmt: skip
def test_wrong_definitions_are_told(tmp_path: Path, entries: list[dict[str, Any]], problem: str) -> None:
    with pytest.raises(RegistryError) as caught:
        load(tmp_path, {}, entries)
    assert problem in str(caught.value)


# Which entry may read what

SECRET: list[dict[str, Any]] = [
    {"name": "url", "kind": "env.variable", "variable": "SHOP_URL"},
    {"name": "key", "kind": "env.variable", "variable": "API_KEY", "secret": True},
]
ENVIRON = {"SHOP_URL": "http://shop", "API_KEY": "k"}
READS = """
    local function told(value, err) return err and err:kind() or value end
    local key, id, url = "API_KEY", "app:key", "SHOP_URL"
    return { told(env.get(key)), told(env.get(id)), told(env.set(key, "x")), told(env.get(url)), json.encode(env.get_all()) }
"""
DENIED = [PERMISSION_DENIED] * 3


@pytest.mark.parametrize(
    ("meta", "seen"),
    [
        ({}, [*DENIED, "http://shop", '{"SHOP_URL":"http://shop"}']),
        ({"env": {"variables": []}}, [*DENIED, PERMISSION_DENIED, "{}"]),
        ({"env": {"variables": ["url"]}}, [*DENIED, "http://shop", '{"SHOP_URL":"http://shop"}']),
        ({"env": {"variables": ["key"]}}, ["k", "k", True, PERMISSION_DENIED, '{"API_KEY":"x"}']),
        ({"env": {"variables": ["url", "app:key"]}}, ["k", "k", True, "http://shop", '{"API_KEY":"x","SHOP_URL":"http://shop"}']),
    ],
)  # fmt: skip
async def test_a_secret_is_for_those_that_name_it(tmp_path: Path, meta: dict[str, Any], seen: list[Any]) -> None:
    assert await run(tmp_path, READS, entries=SECRET, environ=ENVIRON, meta=meta) == seen


async def test_an_import_brings_no_secret_along(tmp_path: Path) -> None:
    """Neither a library nor a function that may read it lends that to who imports it; and a caller lends nothing to a callee."""
    read = "function() local name = 'API_KEY' local v, err = env.get(name) return err and err:kind() or v end"
    sources = {
        "lib.lua": f"return {{ read = {read} }}",
        "trusted.lua": f"return {{ main = {read} }}",
        "other.lua": 'return function() return { lib.read(), trusted.main(), (funcs.call("app:trusted")) } end',
        "plain.lua": f"return {read}",
        "granted.lua": 'return function() return { lib.read(), (funcs.call("app:plain")) } end',
    }
    imports, meta = {"lib": "lib", "trusted": "trusted"}, {"env": {"variables": ["key"]}}
    entries = [
        *SECRET,
        {"name": "lib", "kind": "library.lua", "source": "file://lib.lua", "modules": ["env"]},
        function("trusted", meta=meta),
        function("other", imports=imports),
        function("granted", imports=imports, meta=meta),
    ]
    async with host(load(tmp_path, sources, entries, ENVIRON)) as h:
        assert await call(h, "other") == [PERMISSION_DENIED, PERMISSION_DENIED, "k"]
        assert await call(h, "granted") == ["k", PERMISSION_DENIED]
