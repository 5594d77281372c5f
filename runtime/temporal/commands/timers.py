"""`timer` and `cancel`."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow

from runtime.lua.protocol import Command
from runtime.payload import NOTHING
from runtime.temporal.run import Run

_NANOSECONDS = 1_000_000_000
#: Longer than anybody waits, and within what a protobuf duration can say.
_LONGEST = timedelta(days=365 * 1000).total_seconds()


def timer(run: Run, command: Command) -> None:
    """A durable timer; its summary is the line that asked for it."""
    seq, seconds = command.seq, min(command.data["ns"] / _NANOSECONDS, _LONGEST)
    assert seq is not None
    task = run.watch(workflow.sleep(max(seconds, 0.001), summary=command.at), f"timer {seq}")
    run.pending[seq] = task.cancel
    task.add_done_callback(lambda done: _fired(run, seq, done))


def _fired(run: Run, seq: int, task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is None:
        run.resolve(seq, NOTHING)


def cancel(run: Run, command: Command) -> None:
    """Gives up an outstanding command; one that is no longer outstanding has been answered, which is as good."""
    assert command.seq is not None
    give_up = run.pending.get(command.seq)
    if give_up is not None:
        give_up()
