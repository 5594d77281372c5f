"""The threads of a process host: a pool for Lua steps, and a thread each for synchronous Python functions."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class Threads:
    """The threads for Lua steps and synchronous Python functions. Steps are short and bounded, so a few threads carry any number of programs."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor((os.cpu_count() or 1) + 3, thread_name_prefix="evermoon-step")

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *args)

    def submit(self, work: Callable[[], object]) -> None:
        """For work nobody waits for, also from code that is being cancelled."""
        self._pool.submit(work)

    async def close(self) -> None:
        """Waits for what is under way: a step's budget bounds it."""
        await asyncio.to_thread(self._pool.shutdown)


async def run_apart(work: Callable[[], T]) -> T:
    """Runs `work` in a daemon thread of its own, with the caller's context variables.

    Not in a pool: a function that never returns must neither take a pool's thread nor hold up the end of the host.
    When the awaiting task is cancelled the thread goes on, unobserved.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(value: T | None, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(value)  # type: ignore[arg-type]  # None only where T allows it

    def report(value: T | None, error: BaseException | None) -> None:
        try:
            loop.call_soon_threadsafe(settle, value, error)
        except RuntimeError:
            pass  # the loop has closed: nobody is left to tell

    def target() -> None:
        try:
            value = context.run(work)
        except BaseException as error:
            report(None, error)
        else:
            report(value, None)

    threading.Thread(target=target, name="evermoon-function", daemon=True).start()
    return await outcome
