"""The base of every execution on a host, whatever it is written in."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from runtime.contracts import NO_TRIGGER, End, OutletPort, Trigger
from runtime.errors import CANCELED, Error, canceled, internal, timed_out
from runtime.lua.protocol import Event
from runtime.payload import NOTHING, Payload
from runtime.principal import ANYBODY, Caller
from runtime.registry import Entry

_log = logging.getLogger("evermoon.host")

#: Seconds an abandoned execution has to clean up.
_LAST_MOMENTS = 1.0


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an entry. `entry` is resolved; `host` is the `process.host` of a process."""

    entry: Entry
    pid: str
    args: Sequence[Payload] = ()
    caller: Caller = ANYBODY
    trigger: Trigger = NO_TRIGGER
    host: str | None = None


class Execution:
    """One execution under way. Subclasses say how it is carried out, and what an event does to it."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self._task: asyncio.Task[Payload] | None = None
        self._stopped: str | None = None
        self._end: End | None = None
        self._told: Callable[[End], None] | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._outlet: OutletPort | None = None
        self.started_at = time.time_ns()

    @property
    def pid(self) -> str:
        return self.call.pid

    async def execute(self) -> Payload:
        raise NotImplementedError

    def post(self, event: Event) -> bool:
        """Hands over an event; False when this execution has no mailbox, or has ended. Raises `Error` RATE_LIMITED when its mailbox is full."""
        raise NotImplementedError

    def cancel(self, reason: str, sender: str = "") -> None:
        """Asks it to end. What it makes of that is up to it. Raises `Error` RATE_LIMITED when a sender has asked very often."""
        raise NotImplementedError

    def start(self, told: Callable[[End], None]) -> None:
        """`told` is called with its end, before anybody who waits for that goes on."""
        self._told = told
        self._go_on(self.execute())

    def _go_on(self, execution: Coroutine[Any, Any, Payload]) -> None:
        self._task = asyncio.create_task(execution, name=self.pid)
        self._task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Payload]) -> None:
        if task.cancelled():
            self._finish(error=canceled(self._stopped or "process canceled"))
        elif (error := task.exception()) is not None:
            self._finish(error=self._failure(error))
        else:
            self._finish(task.result())

    def _failure(self, error: BaseException) -> Error:
        if isinstance(error, Error):
            return error
        _log.error("%s: the host failed", self.pid, exc_info=error)
        failure = internal(f"the host failed while it ran {self.call.entry.id}")
        failure.__cause__ = error
        return failure

    def _finish(self, value: Payload | None = None, error: Error | None = None) -> None:
        end = self._end = End(time.time_ns(), value, error)
        if self._told is not None:
            self._told(end)
        for waiter in self._waiters:
            _release(waiter)

    def terminate(self, reason: str) -> None:
        """Ends it without asking; whoever waits for it gets CANCELED."""
        self._stopped = reason or "process terminated"
        if self._task is not None:
            self._task.cancel()

    async def outcome(self, timeout: float | None, grace: float) -> Payload:
        """Waits; seconds. Cancelling the wait, or the timeout, cancels the execution: after `grace` it is abandoned.

        An activity that answers within the grace is taken at its word, as Temporal does; anybody else's answer is dropped.
        """
        try:
            await self.ended(timeout)
        except asyncio.CancelledError:
            await self.wind_down("canceled", grace)
            if self.call.trigger.activity is None or self._end is None or _is_canceled(self._end.error):
                raise
        if self._end is None:
            await self.wind_down("timeout", grace)
            raise timed_out(f"{self.call.entry.id} did not end within {timeout:g} s", timeout_type="start_to_close")
        return self.result()

    def result(self) -> Payload:
        """Of an execution that is over. Raises `Error`."""
        end = self._end
        if end is None:
            raise internal(f"{self.pid} has not ended")
        if end.error is not None:
            raise end.error
        return end.value or NOTHING

    async def ended(self, timeout: float | None = None) -> None:
        """Returns when it is over, however it ended, or when so many seconds have passed; never raises for that."""
        if self._end is not None:
            return
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._waiters.append(waiter)
        late = loop.call_later(timeout, _release, waiter) if timeout is not None else None
        try:
            await waiter
        finally:
            self._waiters.remove(waiter)
            if late is not None:
                late.cancel()

    async def has_published(self) -> None:
        """Of one that is over: returns when what it published is kept."""
        if self._outlet is not None:
            await self._outlet.settled()

    async def wind_down(self, reason: str, grace: float) -> None:
        """Asks it to end, and after `grace` seconds ends it."""
        if self._end is not None:
            return
        self.cancel(reason)
        try:
            await self.ended(grace)
        except asyncio.CancelledError:
            pass  # asked a second time: no more grace
        if self._end is None:
            self.terminate("abandoned")
            await self.ended(_LAST_MOMENTS)


def _release(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _is_canceled(error: BaseException | None) -> bool:
    return isinstance(error, Error) and error.kind == CANCELED
