"""The base of every execution on a host, whatever it is written in."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runtime.contracts import ActivityPort, End, HttpRequest, HttpResponse
from runtime.errors import CANCELED, Error, canceled, internal, timed_out
from runtime.lua.protocol import Event
from runtime.modules.queue.delivery import QueueDelivery
from runtime.payload import Payload
from runtime.principal import NOBODY, Principal
from runtime.registry import Entry

_log = logging.getLogger("evermoon.host")

#: Seconds an abandoned execution has to clean up.
_LAST_MOMENTS = 1.0


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an entry. `entry` is resolved; `sender` the caller's PID or ""; `host` the `process.host` of a process;
    `message` what a `queue.consumer` calls it with."""

    entry: Entry
    pid: str
    args: Sequence[Payload] = ()
    context: Mapping[str, Any] = field(default_factory=dict)
    sender: str = ""
    activity: ActivityPort | None = None
    request: HttpRequest | None = None
    response: HttpResponse | None = None
    message: QueueDelivery | None = None
    host: str | None = None
    principal: Principal = NOBODY


class Execution:
    """One execution under way. Subclasses say how it is carried out, and what an event does to it."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self._task: asyncio.Task[Payload] | None = None
        self._stopped: str | None = None
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

    def start(self) -> asyncio.Task[Payload]:
        self._task = asyncio.create_task(self._executed(), name=self.pid)
        self._task.add_done_callback(_observed)
        return self._task

    async def _executed(self) -> Payload:
        try:
            return await self.execute()
        except Error:
            raise
        except Exception as error:
            _log.exception("%s: the host failed", self.pid)
            raise internal(f"the host failed while it ran {self.call.entry.id}") from error

    def terminate(self, reason: str) -> None:
        """Ends it without asking; whoever waits for it gets CANCELED."""
        self._stopped = reason or "process terminated"
        if self._task is not None:
            self._task.cancel()

    async def outcome(self, timeout: float | None, grace: float) -> Payload:
        """Waits; seconds. Cancelling the wait, or the timeout, cancels the execution: after `grace` it is abandoned.

        An activity that answers within the grace is taken at its word, as Temporal does; anybody else's answer is dropped.
        """
        task = self._task or self.start()
        try:
            await asyncio.wait({task}, timeout=timeout)
        except asyncio.CancelledError:
            await self._wind_down(task, "canceled", grace)
            if self.call.activity is None or task.cancelled() or _is_canceled(task.exception()):
                raise
        if not task.done():
            await self._wind_down(task, "timeout", grace)
            raise timed_out(f"{self.call.entry.id} did not end within {timeout:g} s", timeout_type="start_to_close")
        return self.result()

    def result(self) -> Payload:
        """Of an execution that is over. Raises `Error`."""
        task = self._task
        if task is None or not task.done():
            raise internal(f"{self.pid} has not ended")
        if task.cancelled():
            raise canceled(self._stopped or "process canceled")
        return task.result()

    def end(self) -> End:
        """As `result`, as something to keep."""
        try:
            return End(time.time_ns(), value=self.result())
        except Error as error:
            return End(time.time_ns(), error=error)

    async def ended(self) -> None:
        """Returns when it is over, however it ended; never raises for that."""
        await asyncio.wait({self._task or self.start()})

    async def wind_down(self, reason: str, grace: float) -> None:
        if self._task is not None:
            await self._wind_down(self._task, reason, grace)

    async def _wind_down(self, task: asyncio.Task[Payload], reason: str, grace: float) -> None:
        self.cancel(reason)
        try:
            await asyncio.wait({task}, timeout=grace)
        except asyncio.CancelledError:
            pass  # asked a second time: no more grace
        if not task.done():
            self.terminate("abandoned")
            await asyncio.wait({task}, timeout=_LAST_MOMENTS)


def _observed(task: asyncio.Task[Payload]) -> None:
    """An execution nobody waits for any longer may fail without asyncio complaining."""
    if not task.cancelled():
        task.exception()


def _is_canceled(error: BaseException | None) -> bool:
    return isinstance(error, Error) and error.kind == CANCELED
