"""What a Python function publishes to those who follow the run that called it, beside the run's history."""

from __future__ import annotations

from typing import Any

from runtime.payload import Payload
from runtime.process.execution_context import current

__all__ = ["publish"]


def publish(name: str, data: Any = None, *, position: int | None = None, run: str | None = None) -> None:
    """`data` is a JSON value of at most 64 KiB. `run` is another run than the one that called, by its id or PID.

    Waits for nothing, and never fails because nobody listens or the store does not answer. Raises `Error` INVALID for what cannot be
    published, and outside of a function. May be called from any thread that has the function's context. Of an activity, an event
    with a `position` is heard of once, however many attempts publish it.
    """
    current().publish(name, Payload.of(data), position, run)
