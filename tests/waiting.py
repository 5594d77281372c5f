"""Waiting until something holds, for what no event is set. The limit only ends a hang, with what was seen last: a slow machine is no failure."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

#: Seconds, below the limit of a test, so that a wait that hangs says what it waited for.
LIMIT = 540.0


@overload
async def eventually(
    look: Callable[[], Awaitable[T]], holds: Callable[[T], object] = bool, *, every: float = 0.01
) -> T: ...
@overload
async def eventually(look: Callable[[], T], holds: Callable[[T], object] = bool, *, every: float = 0.01) -> T: ...
async def eventually(look: Callable[[], Any], holds: Callable[[Any], object] = bool, *, every: float = 0.01) -> Any:
    """What `look` finds once it `holds`, looked at every so many seconds. Raises AssertionError after `LIMIT`."""
    deadline = time.monotonic() + LIMIT
    while True:
        found = look()
        seen = await found if inspect.isawaitable(found) else found
        if holds(seen):
            return seen
        _refuse_to_hang(deadline, look, holds, seen)
        await asyncio.sleep(every)


def wait_until(look: Callable[[], T], holds: Callable[[T], object] = bool, *, every: float = 0.1) -> T:
    """As `eventually`, where there is no event loop: it blocks."""
    deadline = time.monotonic() + LIMIT
    while not holds(seen := look()):
        _refuse_to_hang(deadline, look, holds, seen)
        time.sleep(every)
    return seen


def _refuse_to_hang(deadline: float, look: Callable[..., Any], holds: Callable[..., Any], seen: object) -> None:
    if time.monotonic() > deadline:
        raise AssertionError(f"never came true: {_source(look if holds is bool else holds)}; seen last: {seen!r}")


def _source(condition: Callable[..., Any]) -> str:
    try:
        return " ".join(inspect.getsource(condition).split())
    except (OSError, TypeError):
        return repr(condition)
