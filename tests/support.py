"""Running pieces of Lua on the virtual host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from runtime.errors import Error
from runtime.testing import VirtualHost, program_from_source

EVERYTHING = ("funcs", "time", "workflow", "json", "logger", "ctx", "saga", "outcome")


def host(source: str, *, modules: Sequence[str] = EVERYTHING, **options: Any) -> VirtualHost:
    """A virtual host for a script. `libraries`, `memory`, `instructions`, `method` go to the program."""
    program_options = {
        name: options.pop(name) for name in ("libraries", "memory", "instructions", "method") if name in options
    }
    return VirtualHost(program_from_source(source, modules=modules, **program_options), **options)


def main(body: str) -> str:
    return f"return function(...)\n{body}\nend"


def run(body: str, *args: Any, functions: Mapping[str, Any] | None = None, **options: Any) -> Any:
    """The result of ``return function(...) <body> end``, which must replay to the same bytes."""
    virtual = host(main(body), functions=functions, **options)
    try:
        try:
            return virtual.run(*args)
        finally:
            if virtual.final is not None:
                virtual.replay()
    finally:
        virtual.close()


def fail(body: str, *args: Any, **options: Any) -> Error:
    """The error that the script fails with."""
    with pytest.raises(Error) as caught:
        run(body, *args, **options)
    return caught.value
