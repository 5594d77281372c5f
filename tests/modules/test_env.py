from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.errors import INVALID, NOT_FOUND, PERMISSION_DENIED
from tests.modules.host_script import run

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
