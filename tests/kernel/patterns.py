"""The kernel's matchers beside Lua's own (patterns.lua), for the tests of patterns and `make fuzz`."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import lupa.lua54 as lupa

from runtime.errors import Error
from runtime.modules.matching import FUNCTIONS

_FILES = ("argument", "byteset", "linear", "matches", "matching", "pattern", "shape", "unseen", "work")


def _host(name: bytes, *args: Any) -> Any:
    try:
        return FUNCTIONS[name.decode()](*args)
    except Error as error:
        return None, error.message.encode()


@cache
def checks() -> Any:
    """A function ``(check, ...)``: `same`, `case`, `bounded`, `class`, `cost`, `plain`, as patterns.lua has them."""
    lua = lupa.LuaRuntime(encoding=None, unpack_returned_tuples=True)
    kernel = resources.files("runtime").joinpath("kernel")
    sources = {
        key: kernel.joinpath(f"{name}.lua").read_bytes()
        for name in _FILES
        for key in (name.encode(), f"kernel/{name}".encode())
    }
    return lua.execute(Path(__file__).with_suffix(".lua").read_bytes(), lua.table_from(sources), _host)
