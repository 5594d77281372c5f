"""The commands `timer` and `cancel`."""

from __future__ import annotations

from datetime import timedelta

from runtime.lua.protocol import Command
from runtime.payload import NOTHING
from runtime.temporal.workflow.recorded_choices import check_under_way
from runtime.temporal.workflow.run import Run
from runtime.temporal.workflow.timer import Timer

_SECOND = 1_000_000_000
#: Seconds. Longer than anybody waits, and within what a protobuf duration can say.
_LONGEST = timedelta(days=365 * 1000).total_seconds()


def timer(run: Run, command: Command) -> None:
    """A durable timer; its summary is the line that asked for it."""
    seq, seconds = command.seq, min(command.data["ns"] / _SECOND, _LONGEST)
    assert seq is not None
    check_under_way(run, "timers", run.timers, seq)

    def fired() -> None:
        run.timers -= 1
        run.resolve(seq, NOTHING)

    def give_up() -> None:
        run.timers -= 1
        del run.outstanding[seq]
        started.cancel()

    run.timers += 1
    started = Timer(run, max(seconds, 0.001), command.at, fired)
    run.outstanding[seq] = give_up
    run.turns.soon(started.begin)


def cancel(run: Run, command: Command) -> None:
    """Gives up an outstanding command; one that is no longer outstanding has been answered, which is as good."""
    assert command.seq is not None
    give_up = run.outstanding.get(command.seq)
    if give_up is not None:
        give_up()
