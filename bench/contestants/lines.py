"""How a contestant's process talks with the bench: a line of JSON each way over its pipes, from `ready` until its input ends.

So it ends when the bench does, however that ends.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

Handler = Callable[..., Awaitable[Any]]


async def answer(handlers: Mapping[str, Handler]) -> None:
    """Answers `{"do": name, …arguments}` by the handler of that name, until the input ends."""
    known: dict[str, Handler] = {"settle": settle, **handlers}
    with suppress(BrokenPipeError):  # the bench has ended
        await _answer(known)


async def _answer(known: Mapping[str, Handler]) -> None:
    _say({"ready": True})
    while line := await asyncio.to_thread(sys.stdin.readline):
        arguments = json.loads(line)
        try:
            document = {"answer": await known[arguments.pop("do")](**arguments)}
        except Exception as error:
            document = {"error": f"{type(error).__name__}: {error}"}
        _say(document)


async def settle() -> None:
    """Gives back to the system what is not in use, so that what stays is what is needed."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _say(document: Mapping[str, Any]) -> None:
    print(json.dumps(document), flush=True)
