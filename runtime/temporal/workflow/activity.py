"""One activity of a run, of a script's or of the host's own, from its command to its outcome."""

from __future__ import annotations

from collections.abc import Callable

from temporalio.bridge.proto.activity_result import ActivityResolution, DoBackoff

from runtime import errors
from runtime.payload import NOTHING, Payload
from runtime.temporal import wire
from runtime.temporal.workflow.pending import PendingActivity
from runtime.temporal.workflow.run import HeldPort, Run
from runtime.temporal.workflow.timer import Timer
from runtime.temporal.workflow.turns import FOLLOWED, RESULT

#: A value, a failure as the SDK has it, or what became of an activity that was cancelled before anybody heard of it.
Outcome = Payload | BaseException
#: Writes the command of an attempt: its number, and the back-off that it comes after.
Write = Callable[[int, DoBackoff | None], None]


class Activity:
    """An activity that is under way. `write` emits its command at once; `then` gets its outcome, once. Only local activities back off."""

    __slots__ = (
        "_about",
        "_begun",
        "_cancelled",
        "_done",
        "_held",
        "_number",
        "_resolved",
        "_run",
        "_sleep",
        "_then",
        "_told",
        "_write",
    )

    def __init__(
        self,
        run: Run,
        type: str,
        id: str,
        write: Write,
        then: Callable[[Outcome], None],
        *,
        size: int,
        queue: str | None = None,
        is_local: bool = False,
    ) -> None:
        """`size`: bytes of its values, at most."""
        self._run, self._write, self._then = run, write, then
        self._about = type, id, queue, is_local
        self._begun = self._cancelled = self._resolved = self._done = False
        self._told: int | None = None  # the number under which the server was asked to cancel it
        self._sleep: Timer | None = None
        self._number = run.pending.next("activity")
        self._held: HeldPort | None = None
        if is_local:  # the server hears of its outcome alone
            self._schedule(None)
        else:
            self._held = run.pacing.send(size, self._schedule_remote)
        run.turns.soon(self._begin)

    def _schedule_remote(self) -> None:
        self._held = None
        self._schedule(None)

    def _schedule(self, backoff: DoBackoff | None) -> None:
        self._write(self._number, backoff)
        self._run.pending.activities[self._number] = PendingActivity(*self._about, self._resolve)

    def _begin(self) -> None:
        """The turn from which on its outcome is waited for. One that was cancelled before that has ended."""
        self._begun = True
        if self._cancelled:
            self._end(errors.canceled("activity canceled"))

    def cancel(self) -> bool:
        """Asks for its end; what comes of that is its outcome. Idempotent. False when its outcome is on its way already."""
        if self._done:
            return False
        if self._held is not None:  # nobody has heard of it
            self._held.drop()
            self._held = None
            self._end(errors.canceled("activity canceled"))
            return True
        self._cancelled = True
        if not self._begun:
            self._ask()
        elif not self._resolved:
            if self._sleep is not None:
                self._sleep.cancel()  # told in the turn of the interruption, so also where the run ends in that turn
            self._run.turns.soon(self._interrupt)
        return True

    def _interrupt(self) -> None:
        if self._sleep is None:
            self._ask()
            return
        self._sleep.cancel()
        self._sleep = None
        self._end(errors.canceled("activity canceled"))

    def _ask(self) -> None:
        if self._told == self._number:
            return
        self._told = self._number
        command = self._run.emit()
        if self._about[3]:
            command.request_cancel_local_activity.seq = self._number
        else:
            command.request_cancel_activity.seq = self._number

    def _resolve(self, resolution: ActivityResolution) -> None:
        if self._done:
            return
        turns, how = self._run.turns, resolution.WhichOneof("status")
        self._resolved = True
        self._cancelled = False
        if how == "backoff":
            self._number = self._run.pending.next("activity")
            turns.after(RESULT - 1, self._hear_of_backoff, resolution.backoff)
            return
        outcome: Outcome
        if how == "completed":
            done = resolution.completed
            outcome = wire.from_proto(done.result) if done.HasField("result") else NOTHING
        else:
            outcome = self._run.failure_of(getattr(resolution, how or "failed").failure)
        turns.after(RESULT - 1, self._settle, outcome)

    def _settle(self, outcome: Outcome) -> None:
        if not self._cancelled:  # since its outcome came
            self._end(outcome)
        elif self._run.is_cancelled_with_its_result():
            self._end(errors.canceled("activity canceled"))
        else:
            self._ask()
            self._run.turns.after(FOLLOWED, self._end, outcome)

    def _end(self, outcome: Outcome) -> None:
        self._done = True
        self._run.turns.soon(self._then, outcome)

    def _hear_of_backoff(self, backoff: DoBackoff) -> None:
        self._resolved = False
        if not self._cancelled:  # since it was told to back off
            self._back_off(backoff)
        elif self._run.is_cancelled_with_its_result():
            self._end(errors.canceled("activity canceled"))
        else:
            self._ask()
            self._run.turns.after(FOLLOWED, self._back_off, backoff)

    def _back_off(self, backoff: DoBackoff) -> None:
        """The next attempt is far off: the server waits for it, with a timer."""
        span = backoff.backoff_duration.ToTimedelta().total_seconds()
        self._sleep = Timer(self._run, span, None, lambda: self._try_again(backoff), RESULT - 1)
        self._sleep.begin()

    def _try_again(self, backoff: DoBackoff) -> None:
        self._sleep = None
        self._schedule(backoff)
