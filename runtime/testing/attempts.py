"""An activity of a run on the virtual clock: its attempts and the pauses between them, its timeouts, heartbeats and cancellation, as a server has them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from runtime import limits
from runtime.backoff import delay_after
from runtime.contracts import Trigger
from runtime.errors import CANCELED, NOT_FOUND, TIMEOUT, Error, canceled
from runtime.payload import Payload
from runtime.principal import Caller
from runtime.testing.clock import VirtualClock, rfc3339

#: What counts where neither entry nor call says anything: milliseconds, a factor, and how many first intervals the longest has.
_START_TO_CLOSE = 10 * 60 * 1000
_INTERVAL, _COEFFICIENT, _LONGEST = 1000, 2.0, 100
#: After so many failures an activity whose retries have no end is not tried again: on a clock that costs nothing they would never end.
MOST_ATTEMPTS = 100


class FunctionHost(Protocol):
    """The host of the function that an attempt runs."""

    async def call(
        self, entry_id: str, args: Sequence[Payload], *, caller: Caller = ..., trigger: Trigger = ...
    ) -> Payload: ...


@dataclass(frozen=True, slots=True)
class Scheduled:
    """An activity as a run asks for it. `options` are normalised, milliseconds; `run` is the part of `activity.info()` that is about the run.

    `stored`: bytes from which its values are kept in a payload store; None where there is none.
    """

    entry: str
    id: str
    args: Sequence[Payload]
    caller: Caller
    options: Mapping[str, Any]
    run: Mapping[str, Any]
    is_local: bool = False
    stored: int | None = None

    @property
    def policy(self) -> Mapping[str, Any]:
        policy: Mapping[str, Any] = self.options.get("retry_policy") or {}
        return policy

    def seconds(self, name: str, default: int | None = None) -> float | None:
        milliseconds = self.options.get(name) or default
        return milliseconds / 1000 if milliseconds else None


class VirtualActivity:
    """One activity, from its command to its outcome. It lives on `loop`, whose time is that of `clock`."""

    def __init__(
        self, host: FunctionHost, scheduled: Scheduled, clock: VirtualClock, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.scheduled = scheduled
        self.clock = clock
        self.heartbeat_details: Any = None
        self.is_told = False
        """Whether the function has heard that it is to end."""
        self.failures: list[Error] = []
        self.is_endless = False
        """Whether it has failed so often that it is not tried again, although nothing limits its attempts."""
        self._host = host
        self._loop = loop
        self._canceled = asyncio.Event()
        self._call: asyncio.Future[Payload] | None = None
        self._left: set[asyncio.Future[Payload]] = set()
        total = scheduled.seconds("schedule_to_close_timeout")
        self._expires = None if total is None else self._loop.time() + total

    async def outcome(self) -> Payload:
        """Its value. Raises the `Error` that it ends with, and nothing else."""
        while True:
            try:
                return await self._attempt()
            except Error as error:
                failure = self._received(error)
            self.failures.append(failure)
            pause = self._next_delay(failure)
            state = self._retry_state(failure, pause)
            if state is not None:
                raise self._placed(failure, state)
            await self._sleep(pause)

    def cancel(self) -> None:
        """Asks it to end: at once between two attempts, and where it is local; else its function hears of it when it next says that it is alive."""
        self._canceled.set()
        if self.scheduled.is_local:
            self.hear_of_cancellation()

    def hear_of_cancellation(self) -> None:
        """Of the function, at a heartbeat."""
        if self._canceled.is_set() and not self.is_told:
            self.is_told = True
            if self._call is not None:
                self._call.cancel()

    async def _attempt(self) -> Payload:
        seconds, type = self._limit()
        attempt = Attempt(self, len(self.failures) + 1, seconds)
        late = self._loop.call_later(seconds, attempt.times_out, type)
        trigger = Trigger(activity=attempt)
        scheduled = self.scheduled
        call = self._host.call(scheduled.entry, scheduled.args, caller=scheduled.caller, trigger=trigger)
        self._call = running = asyncio.ensure_future(call)
        try:
            waiting: set[asyncio.Future[Any]] = {running, attempt.timed_out}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            late.cancel()
            attempt.close()
        if not running.done():
            self._leave(running)
            raise self._timeout(attempt.timed_out.result())
        if running.cancelled():
            raise canceled("activity canceled")
        value = running.result()
        limits.check_size(f"the result of {scheduled.entry}", [value], scheduled.stored)
        return value

    def _limit(self) -> tuple[float, str]:
        """How long an attempt may take, in seconds, and what it fails with then."""
        most = self.scheduled.seconds("start_to_close_timeout", _START_TO_CLOSE) or 0.0
        left = None if self._expires is None else max(self._expires - self._loop.time(), 0.0)
        return (most, "StartToClose") if left is None or most < left else (left, "ScheduleToClose")

    def _leave(self, running: asyncio.Future[Payload]) -> None:
        """An attempt that nobody waits for any more has its grace to end in."""
        self._left.add(running)
        running.add_done_callback(self._left.discard)
        running.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        running.cancel()

    def _timeout(self, type: str) -> Error:
        details: dict[str, Any] = {"timeout_type": type}
        if self.heartbeat_details is not None:
            details["last_heartbeat"] = self.heartbeat_details
        cause = self.failures[-1] if self.failures else None
        return Error(TIMEOUT, f"activity {type} timeout", details=details, cause=cause)

    def _received(self, error: Error) -> Error:
        """A failure as it arrives at the run. An entry that is missing now may be there when it is tried again."""
        received = Error.from_wire(error.to_wire())
        if error.kind == NOT_FOUND and (error.details or {}).get("id") == self.scheduled.entry:
            received.retryable = True
        return received

    def _next_delay(self, failure: Error) -> float:
        """Seconds until the next attempt, if there is one."""
        said = (failure.details or {}).get("retry_after")
        if isinstance(said, int | float) and not isinstance(said, bool) and said > 0:
            return said / 1000
        policy = self.scheduled.policy
        first = policy.get("initial_interval") or _INTERVAL
        longest = policy.get("maximum_interval") or first * _LONGEST
        factor = policy.get("backoff_coefficient") or _COEFFICIENT
        return delay_after(len(self.failures), first, longest, factor) / 1000

    def _retry_state(self, failure: Error, pause: float) -> str | None:
        """Why it is not tried again; None where it is."""
        policy, attempts = self.scheduled.policy, len(self.failures)
        most = policy.get("maximum_attempts") or 0
        if self._canceled.is_set():
            return "CANCEL_REQUESTED"
        if not failure.is_retried or failure.kind in (policy.get("non_retryable_error_types") or ()):
            return "NON_RETRYABLE_FAILURE"
        if (failure.details or {}).get("timeout_type") == "ScheduleToClose":
            return "TIMEOUT"
        if most and attempts >= most:
            return "MAXIMUM_ATTEMPTS_REACHED"
        if self._expires is not None and self._loop.time() + pause > self._expires:
            return "TIMEOUT"
        return None

    def _placed(self, failure: Error, state: str) -> Error:
        if failure.kind == CANCELED and self._canceled.is_set():
            failure = canceled("activity canceled", **(failure.details or {}))
        place = {"_activity_id": self.scheduled.id, "_retry_state": state}
        failure.details = {**(failure.details or {}), **place}
        return failure

    async def _sleep(self, seconds: float) -> None:
        """Raises CANCELED when it is given up meanwhile."""
        is_limited = self.scheduled.policy.get("maximum_attempts") or self._expires is not None
        self.is_endless = not is_limited and len(self.failures) >= MOST_ATTEMPTS
        try:
            async with asyncio.timeout(None if self.is_endless else seconds):
                await self._canceled.wait()
        except TimeoutError:
            return
        self.is_endless = False
        raise self._placed(canceled("activity canceled"), "CANCEL_REQUESTED")


class Attempt:
    """One attempt of an activity: the `runtime.contracts.ActivityPort` of the function that runs."""

    def __init__(self, activity: VirtualActivity, number: int, seconds: float) -> None:
        self._activity = activity
        self._loop = asyncio.get_running_loop()
        self._heart: asyncio.TimerHandle | None = None
        self.timed_out: asyncio.Future[str] = self._loop.create_future()
        scheduled = activity.scheduled
        self.info: Mapping[str, Any] = {
            "activity_id": scheduled.id,
            "activity_type": scheduled.entry,
            "attempt": number,
            **scheduled.run,
            **({} if activity.heartbeat_details is None else {"heartbeat_details": activity.heartbeat_details}),
            "deadline": rfc3339(activity.clock.now + round(seconds * 1_000_000_000)),
            "is_local": scheduled.is_local,
        }
        self._is_over = False
        self._beat()

    @property
    def idempotency_key(self) -> str:
        """Stable across the attempts of one activity."""
        return f"{self.info['workflow_id']}/{self.info['run_id']}/{self.info['activity_id']}"

    def heartbeat(self, details: Any) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self._heard, details)

    def is_canceled(self) -> bool:
        return self._activity.is_told

    def times_out(self, type: str) -> None:
        if not self.timed_out.done():
            self.timed_out.set_result(type)

    def close(self) -> None:
        """It is over: nothing of it times out any more, and what it says no longer counts."""
        self._is_over = True
        if self._heart is not None:
            self._heart.cancel()

    def _heard(self, details: Any) -> None:
        if not self._is_over:
            self._activity.heartbeat_details = details
            self._activity.hear_of_cancellation()
            self._beat()

    def _beat(self) -> None:
        scheduled = self._activity.scheduled
        seconds = None if scheduled.is_local else scheduled.seconds("heartbeat_timeout")
        if self._heart is not None:
            self._heart.cancel()
        if seconds is not None:
            self._heart = self._loop.call_later(seconds, self.times_out, "Heartbeat")
