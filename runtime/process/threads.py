"""The threads of a process host: a few for Lua steps, and a thread each for synchronous Python functions."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, NoReturn, TypeVar

_log = logging.getLogger("evermoon.host")

T = TypeVar("T")

#: Called on the event loop with what some work gave, or with what it raised.
Then = Callable[[Any, BaseException | None], None]


class Threads:
    """The threads for Lua steps and synchronous Python functions. Steps are short and bounded, so a few threads carry any number of programs.

    No executor of the library's: the futures and locks of one cost about as much as a short step. What several steps gave is handed
    to the event loop in one go. One event loop, the one it is used from.
    """

    def __init__(self) -> None:
        self._most = (os.cpu_count() or 1) + 3
        self._threads: list[threading.Thread] = []
        self._work: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._idle = 0
        self._lock = threading.Lock()
        self._done: deque[Callable[[], None]] = deque()
        self._is_told = False

    def begin(self, work: Callable[..., T], *args: Any, then: Then) -> None:
        """Calls `then` on the event loop, in the caller's context, once `work` is done."""
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()

        def run() -> None:
            try:
                follow = partial(context.run, then, work(*args), None)
            except BaseException as error:
                follow = partial(context.run, then, None, error)
            self._tell(loop, follow)

        self.submit(run)

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.begin(work, *args, then=partial(_settle, future))
        return await future

    def submit(self, work: Callable[[], object]) -> None:
        """For work nobody waits for, also from code that is being cancelled."""
        with self._lock:
            if self._idle:
                self._idle -= 1  # one of those that wait takes it
            elif len(self._threads) < self._most:
                self._begin_thread()
        self._work.put(work)

    async def close(self) -> None:
        """Waits for what is under way: a step's budget bounds it."""
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _begin_thread(self) -> None:
        # A daemon: a host that nobody closed must not keep the process from ending.
        thread = threading.Thread(target=self._serve, name=f"evermoon-step_{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except Exception:
                _log.exception("the host failed")
            del work  # nothing is held on to while it waits
            with self._lock:
                self._idle += 1

    def _tell(self, loop: asyncio.AbstractEventLoop, follow: Callable[[], None]) -> None:
        self._done.append(follow)
        if not self._is_told:
            self._is_told = True
            with suppress(RuntimeError):  # the loop has closed: nobody is left to tell
                loop.call_soon_threadsafe(self._follow)

    def _follow(self) -> None:
        self._is_told = False
        while self._done:
            follow = self._done.popleft()
            try:
                follow()
            except Exception:
                _log.exception("the host failed")


async def run_apart(work: Callable[[], T]) -> T:
    """Runs `work` in a daemon thread of its own, with the caller's context variables.

    Not in a pool: a function that never returns must neither take a pool's thread nor hold up the end of the host.
    When the awaiting task is cancelled the thread goes on, unobserved.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Callable[[], T]] = loop.create_future()
    context = contextvars.copy_context()

    def report(told: Callable[[], T]) -> None:
        try:
            loop.call_soon_threadsafe(_settle, outcome, told)
        except RuntimeError:
            pass  # the loop has closed: nobody is left to tell

    def target() -> None:
        try:
            value = context.run(work)
        except BaseException as error:
            report(partial(_raise, error))
        else:
            report(lambda: value)

    threading.Thread(target=target, name="evermoon-function", daemon=True).start()
    return (await outcome)()


def _settle(outcome: asyncio.Future[Any], value: Any, error: BaseException | None = None) -> None:
    if outcome.done():
        return
    if error is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(value)


def _raise(error: BaseException) -> NoReturn:
    """A future takes no exception that ends an iteration, and a loop is ended by one that ends the interpreter."""
    raise error
