"""The threads that step workflows, and the time for which an activation may hold one. An activation is all that one workflow task brings to a run.

Each event has its own time (`runtime.lua.session`), but a task may bring many: a thousand signals to a script that spins over
each would hold a thread for minutes, or wait for one. When an activation's time is up, the event under way ends and the rest is not
looked at: that fails the task, never the run. The time is what the server waits for a task, nearly: a thousand messages to a
script that is merely slow must not wedge its run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from temporalio.worker import Worker

T = TypeVar("T")

#: Threads that step workflows. Lua holds no Python lock while it runs, but conversion does: a few are enough.
WORKFLOW_THREADS = 8
#: Seconds: of processor time; and of everybody's from when the SDK asked for a thread. The server gives a task to somebody else
#: after ten (`workflow.task_timeout`), so that an answer after that is of no use.
MAX_SECONDS, MAX_WALL_SECONDS = 8.0, 9.0

#: As long as so little of it can have been spent, the clock on the wall says enough: a thread's own costs more to read than many events.
_LITTLE = 0.1

#: Seconds of wall clock after which the SDK calls a task deadlocked. It looks after two, which a task that obeys these limits may
#: take as well, the more where the machine is busy; and would fail again and again.
DEADLOCK = 30

_current = threading.local()


class ActivationTooLong(Exception):
    """The error of an activation that spent its time. It fails the workflow task."""


class Activations(ThreadPoolExecutor):
    """The executor of the SDK's worker, which hands it one piece of work for each activation."""

    def __init__(self) -> None:
        super().__init__(WORKFLOW_THREADS, thread_name_prefix="workflow")

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        return super().submit(_timed, time.monotonic(), fn, *args, **kwargs)


def leave_time_to(worker: Worker) -> None:
    """Lets our own limits come before the SDK's detector, which has no option but `debug_mode`: that runs workflows on the event loop."""
    inner = worker._workflow_worker
    if inner is not None and hasattr(inner, "_deadlock_timeout_seconds"):
        inner._deadlock_timeout_seconds = DEADLOCK


def spent() -> float:
    """What the activation under way on this thread has used of its time: 1 when it is up.

    It is no less than that: where it is little, it is what everybody has spent.
    0 in a worker that brings threads of its own, as one with the plugin may: there only the SDK's detection watches over many events.
    """
    since: tuple[float, float] | None = getattr(_current, "since", None)
    if since is None:
        return 0.0
    cpu, wall = since
    waited = time.monotonic() - wall
    if waited < _LITTLE * MAX_SECONDS:
        return waited / MAX_SECONDS
    return max((time.thread_time() - cpu) / MAX_SECONDS, waited / MAX_WALL_SECONDS)


def taken() -> float:
    """Seconds of processor time that the activation under way on this thread has used."""
    since: tuple[float, float] | None = getattr(_current, "since", None)
    return 0.0 if since is None else time.thread_time() - since[0]


def check() -> None:
    """Raises `ActivationTooLong` when the time is up."""
    if spent() >= 1:
        raise ActivationTooLong("the events of one workflow task took too long together: do less for each")


def _timed(asked: float, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    _current.since = time.thread_time(), asked
    try:
        return fn(*args, **kwargs)
    finally:
        _current.since = None
