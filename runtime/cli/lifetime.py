"""The lifetime of a command that runs until it is told to stop and then ends cleanly: every clean-up runs once, then the process leaves in time."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable

#: Everything must have ended this many seconds after the request to stop; what has not by then is left to the kernel.
_PATIENCE = 17.0
_STDIN = 0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_log = logging.getLogger("evermoon")


def run_until_stopped(work: Callable[[], Awaitable[None]], *, tied: bool = False) -> None:
    """Runs `work` until it ends or SIGINT, SIGTERM or SIGHUP asks it to: it is then cancelled, once, and may clean up.

    `tied`: the end of standard input asks too, so that a child process does not outlive a parent that was killed.
    """
    asyncio.run(_guarded(work, tied))


async def _guarded(work: Callable[[], Awaitable[None]], tied: bool) -> None:
    task = asyncio.ensure_future(work())
    loop = asyncio.get_running_loop()
    asked = False

    def stop() -> None:
        nonlocal asked
        if not asked:
            asked = True
            task.cancel()
            loop.call_later(_PATIENCE, _leave)

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    if tied:
        loop.add_reader(_STDIN, lambda: _at_end_of_input(loop, stop))
    try:
        await task
    except asyncio.CancelledError:
        if not asked:
            raise


def _at_end_of_input(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    if not os.read(_STDIN, 4096):
        loop.remove_reader(_STDIN)
        stop()


def _leave() -> None:
    """The last resort: a thread that does not return must not hold the process. Children end when their input closes."""
    _log.warning("work did not end within %g s of the request to stop; leaving it", _PATIENCE)
    os._exit(0)
