"""One timer of a run, of a script's or of the host's own."""

from __future__ import annotations

from collections.abc import Callable

from runtime.temporal import wire
from runtime.temporal.workflow.run import Run
from runtime.temporal.workflow.turns import RESULT

_SECOND = 1_000_000_000


class Timer:
    """A timer of the server, which starts with `begin`. `then` is called `turns` after it fired, unless it was cancelled."""

    __slots__ = ("_cancelled", "_number", "_run", "_seconds", "_summary", "_then", "_turns")

    def __init__(
        self, run: Run, seconds: float, summary: str | None, then: Callable[[], None], turns: int = RESULT
    ) -> None:
        self._run, self._seconds, self._summary, self._then, self._turns = run, seconds, summary, then, turns
        self._number: int | None = None
        self._cancelled = False

    def begin(self) -> None:
        """Nothing, where it was cancelled before."""
        if self._cancelled:
            return
        run = self._run
        self._number = run.pending.next("timer")
        command = run.emit()
        if self._summary:
            command.user_metadata.summary.CopyFrom(wire.summary(self._summary))
        start = command.start_timer
        start.seq = self._number
        duration = start.start_to_fire_timeout
        duration.seconds, duration.nanos = divmod(int(self._seconds * 1e9), _SECOND)
        run.pending.timers[self._number] = self._fire

    def _fire(self) -> None:
        self._run.turns.after(self._turns, self._fired)

    def _fired(self) -> None:
        if not self._cancelled:
            self._then()

    def cancel(self) -> None:
        """The server is told in the next turn, where it still has the timer."""
        self._cancelled = True
        if self._number in self._run.pending.timers:
            self._run.turns.soon(self._withdraw)

    def _withdraw(self) -> None:
        if self._number is not None and self._run.pending.timers.pop(self._number, None) is not None:
            self._run.emit().cancel_timer.seq = self._number
