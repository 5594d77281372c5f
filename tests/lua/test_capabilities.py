"""What a script asks for in so many words and its entry may not have is said at load, with file, line, entry and mend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.lua.check import lua_checks
from runtime.registry import Registry, RegistryError
from tests.definitions import write_entries

VARIABLES: list[dict[str, Any]] = [
    {"name": "url", "kind": "env.variable", "variable": "SHOP_URL"},
    {"name": "key", "kind": "env.variable", "variable": "API_KEY", "secret": True},
]


def found(folder: Path, source: str, meta: object = None, *, library: str | None = None) -> list[str]:
    """What a load says of a function with that source: mistakes, or notes when there are none."""
    (folder / "f.lua").write_text(source)
    script: dict[str, Any] = {
        "name": "f",
        "kind": "function.lua",
        "source": "file://f.lua",
        "modules": ["env", "http_client", "json"],
        "meta": meta or {},
    }
    entries = [script, *VARIABLES]
    if library is not None:
        (folder / "lib.lua").write_text(library)
        script["imports"] = {"lib": "lib"}
        lib = {"name": "lib", "kind": "library.lua", "source": "file://lib.lua", "modules": ["env", "http_client"]}
        entries.append(lib)
    try:
        registry = Registry.load(write_entries(folder, entries), environ={}, checks=[lua_checks])
    except RegistryError as error:
        return [str(problem).replace(f"{folder}/", "") for problem in error.problems]
    return [str(note).replace(f"{folder}/", "") for note in registry.notes]


SECRET = "environment variable API_KEY is secret: the entry's meta.env.variables must name it"


def test_a_secret_that_is_not_the_entry_s(tmp_path: Path) -> None:
    source = 'local json = require("json")\nreturn function()\n  return env.get("API_KEY")\nend'
    [problem] = found(tmp_path, source)
    assert problem == (
        f'f.lua:3: app:f: env.get("API_KEY"): {SECRET}; give app:f meta: {{env: {{variables: [app:key]}}}}'
    )
    assert found(tmp_path, source, {"env": {"variables": ["key"]}}) == []


def test_a_variable_beyond_those_it_names(tmp_path: Path) -> None:
    source = 'return function() return env.get("SHOP_URL"), env.get("app:url"), env.set("SHOP_URL", "x") end'
    assert found(tmp_path, source) == []
    problems = found(tmp_path, source, {"env": {"variables": ["key"]}})
    assert len(problems) == 3
    assert all("is not one of this entry's" in problem and "[app:key, app:url]" in problem for problem in problems)


def test_one_that_there_is_not_is_noted(tmp_path: Path) -> None:
    [note] = found(tmp_path, 'return function() return env.get("SHOP_ULR") end')
    assert 'note: env.get("SHOP_ULR"): no env.variable is called so; did you mean "SHOP_URL"?' in note


def test_a_name_that_is_not_there_stops_the_load(tmp_path: Path) -> None:
    [problem] = found(tmp_path, "return function() end", {"env": {"variables": ["kye"]}})
    assert 'meta.env.variables[0]: no entry "app:kye"; did you mean "app:key"?' in problem


@pytest.mark.parametrize(
    ("call", "host"),
    [
        ('get("http://127.0.0.1:8080/x")', "127.0.0.1"),
        ('get "http://10.0.0.1/"', "10.0.0.1"),
        ("post([[http://[::1]:80/]], { json = {} })", "::1"),
        ('get("http://169.254.169.254/latest/meta-data")', "169.254.169.254"),
        ('get("http://2130706433/")', "2130706433"),
        ('get("http://0x7f.1/")', "0x7f.1"),
        ('get("http://[::ffff:10.0.0.1]/")', "::ffff:a00:1"),
        ('get("http://localhost:3000")', "localhost"),
        ('get("http://api.localhost/")', "api.localhost"),
        ('get("http://example.com@127.0.0.1/")', "127.0.0.1"),
        ('get("http://10.0.0.1:80/orders/" .. id)', "10.0.0.1"),
        ('get("http://\\49\\48.0.0.1/")', "10.0.0.1"),
        ('get("http://10.0.0.1/", { timeout = id and "1s" or "2s" })', "10.0.0.1"),
        ('request("PUT", "http://10.0.0.1/", {})', "10.0.0.1"),
    ],
)
def test_a_place_it_may_not_connect_to(tmp_path: Path, call: str, host: str) -> None:
    [problem] = found(tmp_path, f"return function(id)\n  return http_client.{call}\nend")
    assert problem.startswith("f.lua:2: app:f: http_client.")
    assert "is not on the public internet" in problem
    assert problem.endswith(f'; give app:f meta: {{http_client: {{hosts: ["{host}"]}}}}')
    assert (
        found(tmp_path, f"return function(id) return http_client.{call} end", {"http_client": {"hosts": [host]}}) == []
    )


def test_a_place_that_is_not_one_of_its_few(tmp_path: Path) -> None:
    source = 'return function(id) return http_client.get("https://api.example.com/" .. id), http_client.get("https://other.example.com/") end'
    [problem] = found(tmp_path, source, {"http_client": {"public": False, "hosts": ["api.example.com"]}})
    assert "other.example.com is not one of the entry's hosts" in problem
    assert problem.endswith('{hosts: ["api.example.com", "other.example.com"]}}')


@pytest.mark.parametrize(
    "call",
    [
        'get("https://example.com/")', 'get("http://8.8.8.8/")', 'get("http://10.0.0.1" .. port)', 'get("http://10.0.0.1:" .. port)',
        'get("http://" .. host)', "get(url)", 'get("not a URL")', 'get("http://internal/")',
        'request(method, "http://10.0.0.1/")', 'nothing("http://10.0.0.1/")', 'get(("http://10.0.0.1/"):upper())',
    ],
)  # fmt: skip
def test_what_only_the_run_can_know_is_left_to_it(tmp_path: Path, call: str) -> None:
    assert found(tmp_path, f"return function(url, host, port, method) return http_client.{call} end") == []


@pytest.mark.parametrize(
    "source",
    [
        '-- env.get("API_KEY")\n--[==[ env.get("API_KEY") ]] ]==]\nreturn function() return [[env.get("API_KEY")]] end',
        'return function(env) return env.get("API_KEY") end',
        'local env = { get = print }\nreturn function() return env.get("API_KEY") end',
        'env = { get = print }\nreturn function() return env.get("API_KEY") end',
        'for env in pairs({}) do env.get("API_KEY") end\nreturn function() end',
        'local function env() end\nreturn function() return env.get("API_KEY") end',
        'return function(t) return t.env.get("API_KEY"), t:env().get("API_KEY") end',
        'return function(name) return env.get("API_" .. name), env.get(name) end',
        "return function() return env.get('API' .. '_KEY') end",
        "local e = require('env')\ne = { get = print }\nreturn function() return e.get('API_KEY') end",
        "local e = require('env')\nlocal function other() e = { get = print } end\nreturn function() other() return e.get('API_KEY') end",
        "do local e = require('env') end\nlocal e = { get = print }\nreturn function() return e.get('API_KEY') end",
        "local other = {}\nlocal e = other or require('env')\nreturn function() return e.get('API_KEY') end",
    ],
)
def test_a_name_that_may_be_something_else_is_nobody_s_mistake(tmp_path: Path, source: str) -> None:
    assert found(tmp_path, source) == []


@pytest.mark.parametrize(
    "binding",
    [
        'local e = require("env")',
        "local e = require 'env'",
        'local a, b = 1, 2\nlocal e = require("env")',
        'local json, e = require("json"), require("env")',
        'local e = require("env")\nlocal function shadows(e) return e end',
    ],
)
def test_a_module_under_another_name_is_known(tmp_path: Path, binding: str) -> None:
    assert len(found(tmp_path, f'{binding}\nreturn function() return e.get("API_KEY") end')) == 1


def test_an_import_is_held_to_what_the_entry_has_that_runs(tmp_path: Path) -> None:
    library = (
        'local L = {}\nfunction L.key() return env.get("API_KEY"), http_client.get("http://10.0.0.1/") end\nreturn L'
    )
    source = "return function() return lib.key() end"
    problems = found(tmp_path, source, library=library)
    assert [problem.partition(": ")[0] for problem in problems] == ["lib.lua:2", "lib.lua:2"]
    assert all(" app:f: " in f" {problem}" for problem in problems)
    meta = {"env": {"variables": ["key"]}, "http_client": {"allow_private": True}}
    assert found(tmp_path, source, meta, library=library) == []
