"""Activities: one dynamic activity runs every function of the registry, a few system activities serve workflows.

A function runs on the process host exactly as it would outside Temporal; what it can ask about its surroundings (the
`activity` module) is an `ActivityContext`.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from temporalio import activity
from temporalio.api.common.v1 import Payload as Proto
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError, CancelledError

from runtime import errors, limits
from runtime.contracts import Trigger, Workflows
from runtime.errors import Error
from runtime.payload import Payload
from runtime.principal import Caller
from runtime.process.host import ProcessHost
from runtime.process.pids import Pid
from runtime.temporal import failures, wire
from runtime.temporal.worker import outcomes
from runtime.temporal.worker.interceptor import activity_headers
from runtime.temporal.worker.live_attempt import LiveAttempt
from runtime.temporal.worker.publishing import publish_activity

#: How often a waiting system activity says that it is alive; well under its heartbeat timeout.
_HEARTBEAT = 10.0


class ActivityContext:
    """The `runtime.contracts.Activity` of one attempt. It may be used from any thread while the attempt runs."""

    def __init__(self, live: LiveAttempt) -> None:
        self._live = live
        self._context = contextvars.copy_context()  # the SDK keeps the attempt in a context variable
        self._attempt = activity.info()
        self._headers = activity_headers()
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._earlier = outcomes.before(self._attempt)
        self._said: Any = next(iter(self._attempt.heartbeat_details), None)

    @property
    def type(self) -> str:
        """The id of the function."""
        return self._attempt.activity_type

    @cached_property
    def info(self) -> Mapping[str, Any]:
        return _described(self._attempt, wire.sender_of(self._headers))

    @cached_property
    def idempotency_key(self) -> str:
        attempt = self._attempt
        chain = wire.read_header(self._headers, wire.CHAIN) or attempt.workflow_run_id
        return f"{attempt.workflow_id}/{chain}/{attempt.activity_id}"

    def heartbeat(self, details: Any) -> None:
        limits.check_size("the details of a heartbeat", [Payload.of(details)])
        self._live.heartbeat(details)
        self._said = details
        told = (details, self._earlier) if self._earlier else (details,)
        if threading.get_ident() == self._thread:
            self._call(activity.heartbeat, *told)
        else:  # the SDK sends the heartbeats of an activity in the loop from there
            self._loop.call_soon_threadsafe(self._call, activity.heartbeat, *told)

    def failed(self, error: Error) -> outcomes.Outcomes:
        """What all attempts came to until now, this one by `error`; the next one hears of it."""
        every = outcomes.with_this(self._earlier, self._attempt, error)
        if error.is_retried and not self._attempt.is_local:
            self._call(activity.heartbeat, self._said, every)
        return every

    def is_canceled(self) -> bool:
        """Also true once the worker is shutting down: the attempt then goes to another worker, or to this one's next life."""
        return bool(self._call(activity.is_cancelled) or self._call(activity.is_worker_shutdown))

    def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        return self._context.copy().run(function, *args)  # a context runs on one thread at a time; a copy is cheap


def _described(info: activity.Info, sender: str) -> dict[str, Any]:
    described = {
        "activity_id": info.activity_id,
        "activity_type": info.activity_type,
        "attempt": info.attempt,
        "workflow_id": info.workflow_id,
        "run_id": info.workflow_run_id,
        "workflow_pid": sender or str(Pid(info.task_queue, info.workflow_id or "")),
        "workflow_type": info.workflow_type,
        "task_queue": info.task_queue,
        "heartbeat_details": info.heartbeat_details[0] if info.heartbeat_details else None,
        "deadline": _deadline(info),
        "is_local": info.is_local,
    }
    return {key: value for key, value in described.items() if value is not None}


def _deadline(info: activity.Info) -> str | None:
    ends: list[datetime] = []
    if info.start_to_close_timeout is not None:
        ends.append(info.started_time + info.start_to_close_timeout)
    if info.schedule_to_close_timeout is not None:
        ends.append(info.scheduled_time + info.schedule_to_close_timeout)
    return min(ends).astimezone(UTC).isoformat().replace("+00:00", "Z") if ends else None


def lua_activities(
    host: ProcessHost, workflows: Workflows | None, stored: int | None = None
) -> list[Callable[..., Any]]:
    """The activities of one worker. `workflows` serves the system activities; without it they are not registered."""

    @activity.defn(dynamic=True)
    async def function(args: Sequence[RawValue]) -> RawValue:
        return await _function(host, args, stored)

    return [function] if workflows is None else [function, publish_activity(host), *_system(workflows)]


def _caller(headers: Mapping[str, Proto]) -> Caller:
    return Caller(wire.context_of(headers), wire.principal_of(headers), wire.sender_of(headers), wire.depth_of(headers))


async def _function(host: ProcessHost, args: Sequence[RawValue], stored: int | None) -> RawValue:
    headers = activity_headers()
    live = LiveAttempt(host.streams, headers)
    surroundings = ActivityContext(live)
    entry = surroundings.type
    try:
        value = await host.call(
            entry,
            wire.unraws(args),
            caller=_caller(headers),
            trigger=Trigger(activity=surroundings),
        )
        limits.check_size(f"the result of {entry}", [value], stored)
    except Error as error:
        raised = _raised(error, surroundings)
        live.failed(error, raised)
        raise raised from None
    except asyncio.CancelledError:
        if _only_shutting_down():
            raise _elsewhere() from None
        raise
    finally:
        live.end()
    return wire.raw(value)


def _only_shutting_down() -> bool:
    """Whether an attempt ends because its worker does, and nobody canceled the activity.

    Reported as canceled it would fail for good: the server does not retry what was canceled.
    """
    details = activity.cancellation_details()
    return activity.is_worker_shutdown() and not (details is not None and details.cancel_requested)


def _elsewhere() -> Exception:
    return failures.to_failure(errors.unavailable("the worker is shutting down"))


def _raised(error: Error, attempt: ActivityContext) -> Exception:
    """A function that ends because it was canceled is canceled, not failed; with its worker, it is tried again."""
    if error.kind == errors.CANCELED and _only_shutting_down():
        return _elsewhere()
    if error.kind == errors.CANCELED and activity.is_cancelled():
        return CancelledError(str(error))
    if error.kind == errors.NOT_FOUND and (error.details or {}).get("id") == activity.info().activity_type:
        error = Error(error.kind, error.message, retryable=True, details=error.details)  # a deploy may add it
    return failures.to_failure(error, attempt.failed(error))


def _asking() -> str:
    """The run that has this attempt made."""
    return activity.info().workflow_id or ""


def _system(workflows: Workflows) -> list[Callable[..., Any]]:
    @activity.defn(name=wire.TERMINATE)
    async def terminate(run: str, reason: str) -> None:
        await _mapped(workflows.terminate(run, reason, _asking()))

    @activity.defn(name=wire.CANCEL)
    async def cancel(run: str, reason: str) -> None:
        await _mapped(workflows.cancel(run, reason, _asking()))

    @activity.defn(name=wire.FIND_RUN)
    async def find_run(run: str, is_open: bool = False) -> str:
        description = await _mapped(workflows.describe(run))
        if is_open and description.closed_at is not None:
            raise ApplicationError(f"{run} has closed", type=errors.NOT_FOUND, non_retryable=True)
        return str(description.run_id)

    @activity.defn(name=wire.HOW_ENDED)
    async def how_ended(run: str) -> str:
        try:
            return (await workflows.describe(run)).ended
        except Error as error:
            if error.kind == errors.NOT_FOUND:
                return ""
            raise failures.to_failure(error) from None

    @activity.defn(name=wire.AWAIT_RUN)
    async def await_run(run: str) -> RawValue:
        waiting = asyncio.ensure_future(workflows.result(run))
        try:
            while not waiting.done():
                activity.heartbeat()
                await asyncio.wait([waiting], timeout=_HEARTBEAT)
        except asyncio.CancelledError:
            waiting.cancel()
            if _only_shutting_down():
                raise _elsewhere() from None
            raise
        value: Payload = await _mapped(waiting)
        return wire.raw(value)

    return [terminate, cancel, find_run, how_ended, await_run]


async def _mapped(call: Any) -> Any:
    try:
        return await call
    except Error as error:
        raise failures.to_failure(error) from None
