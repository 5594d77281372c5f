"""The commands `send`, `cancel_process` and `terminate`, by which a run acts on other runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from temporalio.api.failure.v1 import Failure

from runtime import limits
from runtime.errors import Error
from runtime.lua import protocol
from runtime.lua.protocol import Command
from runtime.payload import Payload
from runtime.process.pids import Pid, no_process
from runtime.temporal import failures, wire
from runtime.temporal.workflow import outbox, system_activities
from runtime.temporal.workflow.activity import Outcome
from runtime.temporal.workflow.pending import PendingRequest
from runtime.temporal.workflow.recorded_choices import check_name, check_size, refuse
from runtime.temporal.workflow.run import Run
from runtime.temporal.workflow.turns import FOLLOWED, RESULT

_TRUE = Payload.of(True)

#: Hears why a request was not taken, in a word of the SDK's core or "", and None when it was.
Answered = Callable[[str | None], None]
#: That word of a run that has been sent as many signals as the server lets it.
_FULL = "SignalCountLimitExceeded"


def send(run: Run, command: Command) -> None:
    """An external signal, answered when it is acknowledged; to a process a letter; to the run itself, its own mailbox."""
    topic, seq = command.data["topic"], command.seq
    assert seq is not None
    check_name(run, "topic", topic, seq)
    check_size(run, f'message "{topic}"', command.args, seq)
    to = Pid.parse(command.data["to"])
    if to is not None and to.node is not None:
        check_name(run, "the address", command.data["to"], f"{seq}.to")
        outbox.post(run, command, to)
        run.settle(seq, _TRUE)
        return
    target = _workflow_id(command)
    check_name(run, "the id of a workflow", target, f"{seq}.to")
    if target == run.info.workflow_id:
        run.post(protocol.message(topic, run.pid, command.args, run.now))
        run.settle(seq, _TRUE)
        return
    if target in run.delays:
        run.delays[target].skip()
    if len(run.sends) >= limits.MAX_PENDING and target not in run.sends:
        refuse(run, "pending", seq, limits.too_many("messages"))
    deliver(run, target, topic, command.args, partial(_signaled, run, command, target))


def deliver(run: Run, target: str, topic: str, args: Sequence[Payload], answered: Answered | None = None) -> None:
    """Signals another run, after what was sent to it before; a closing run waits for it. A refused greeting is nobody's failure."""
    signal = Signal(run, target, topic, args, answered)
    before, delay = run.sends.get(target), run.delays.get(target)
    run.sends[target] = signal

    def begin() -> None:
        if before is not None:
            before.when_done(after_delay)
        else:
            after_delay()

    def after_delay() -> None:
        if delay is not None:
            delay.when_started(lambda started: run.turns.after(FOLLOWED, signal.emit if started else signal.refuse))
        else:
            signal.emit()

    run.turns.soon(begin)


class Signal:
    """A signal to another run. The server carries out the signals of one workflow task side by side, so order has to be made here."""

    __slots__ = ("_answered", "_args", "_followers", "_is_done", "_run", "_target", "_topic")

    def __init__(self, run: Run, target: str, topic: str, args: Sequence[Payload], answered: Answered | None) -> None:
        self._run, self._target, self._topic, self._args, self._answered = run, target, topic, args, answered
        self._followers: list[Callable[[], None]] = []
        self._is_done = False

    def emit(self) -> None:
        run = self._run
        run.pacing.send(limits.weight(self._args, run.host.stored) + limits.ENVELOPE * len(self._args), self._write)

    def _write(self) -> None:
        run = self._run
        number = run.pending.next("external_signal")
        run.pending.signals[number] = PendingRequest(self._target, self._resolve)
        signal = run.emit().signal_external_workflow_execution
        signal.seq, signal.signal_name = number, self._topic
        signal.workflow_execution.namespace = run.info.namespace
        signal.workflow_execution.workflow_id = self._target
        wire.put(self._args, signal.args)
        wire.put_headers(wire.headers(sender=run.pid), signal.headers)

    def _resolve(self, failure: Failure | None) -> None:
        refusal = None if failure is None else failure.application_failure_info.type
        self._run.turns.after(RESULT - 1, self._end, refusal)

    def refuse(self) -> None:
        """It will never be sent."""
        self._end("")

    def _end(self, refusal: str | None) -> None:
        self._is_done = True
        self._run.turns.soon(self._tell, refusal)

    def _tell(self, refusal: str | None) -> None:
        run = self._run
        if run.sends.get(self._target) is self:
            del run.sends[self._target]
        if self._answered is not None:
            self._answered(refusal)
        for follower in self._followers:
            run.turns.soon(follower)

    def when_done(self, follower: Callable[[], None]) -> None:
        if self._is_done:
            self._run.turns.after(FOLLOWED, follower)
        else:
            self._followers.append(follower)

    def give_up(self) -> None:
        """The server carries it out or not: nobody is told."""


def cancel_process(run: Run, command: Command) -> None:
    """Requests the cancellation of a run, with its reason.

    An activity does it: the server takes the command of a workflow for a run that has ended as well, and lets no run
    cancel itself.
    """
    reason = _reason(run, command)
    if _ends_process(run, command, wire.CANCEL_PROCESS):
        return
    target = _workflow_id(command)
    if _was_delayed(run, target, "workflow canceled"):
        run.settle(command.seq, _TRUE)
        return
    own = target == run.info.workflow_id
    if run.patched(wire.CANCEL_MARKER):
        if own:
            run.own_cancellation = reason
    elif not own:
        run.turns.soon(_cancel_by_command, run, command, target, reason)
        return
    system_activities.cancel(run, target, reason, partial(_ended, run, command))


def _reason(run: Run, command: Command) -> str:
    """Raises `Error` INVALID for one that no command has room for."""
    reason: str = command.data.get("reason") or ""
    check_size(run, "the reason", [Payload.of(reason)], f"{command.seq}.reason")
    return reason


def _cancel_by_command(run: Run, command: Command, target: str, reason: str) -> None:
    """For runs that have cancelled others so before there was an activity for it."""
    number = run.pending.next("external_cancel")

    def resolve(failure: Failure | None) -> None:
        run.turns.after(RESULT - 1, _answer, run, command, failure is None)

    run.pending.cancels[number] = PendingRequest(target, resolve)
    request = run.emit().request_cancel_external_workflow_execution
    request.seq, request.reason = number, reason
    request.workflow_execution.namespace = run.info.namespace
    request.workflow_execution.workflow_id = target


def terminate(run: Run, command: Command) -> None:
    """Terminates another run. Temporal has no such command, so an activity of this worker does it."""
    if _ends_process(run, command, wire.TERMINATE_PROCESS):
        return
    target, reason = _workflow_id(command), command.data.get("reason") or ""
    if _was_delayed(run, target, "workflow terminated"):
        run.settle(command.seq, _TRUE)
        return
    system_activities.terminate(run, target, reason, partial(_ended, run, command))


def _was_delayed(run: Run, target: str, why: str) -> bool:
    """Whether that was a child that had not started, which now never will."""
    delay = run.delays.get(target)
    return delay is not None and delay.give_up(why)


def _ends_process(run: Run, command: Command, activity: str) -> bool:
    """Whether the destination is a process of a host: an activity on the queue of its node then does it."""
    to = Pid.parse(command.data["to"])
    if to is None or to.node is None or not run.patched(wire.END_PROCESS_MARKER):
        return False
    outbox.end(run, command, to, activity)
    return True


def _signaled(run: Run, command: Command, target: str, refusal: str | None) -> None:
    """The server says of a run that has ended no more than of one that never was: so it is looked for."""
    taken = refusal is None
    if refusal == _FULL and command.seq is not None and run.patched(wire.SIGNALS_MARKER):
        run.resolve(command.seq, limits.too_many_signals(target))
        return
    if taken or run.final is not None or target in run.delays or not run.patched(wire.ENDED_MARKER):
        _answer(run, command, taken)
        return

    def found(outcome: Outcome) -> None:
        words = outcome.value() if isinstance(outcome, Payload) else None
        _answer(run, command, False, words if isinstance(words, str) else "")

    system_activities.how_ended(run, target, found)


def _ended(run: Run, command: Command, outcome: Outcome) -> None:
    error = failures.from_failure(outcome) if isinstance(outcome, BaseException) else None
    told = (error.details or {}) if error is not None else {}
    _answer(
        run,
        command,
        error is None,
        f"it has ended at {told['closed_at']} as {told['ended']}" if "ended" in told else "",
    )


def _answer(run: Run, command: Command, taken: bool, ended: str = "") -> None:
    """`ended`: how the run has ended that the command was meant for."""
    assert command.seq is not None
    error = _not_found(command)
    if ended:
        error.message = f"{error.message}; {ended}"
    run.resolve(command.seq, _TRUE if taken else error)


def _workflow_id(command: Command) -> str:
    """The run a PID names. Raises `Error` NOT_FOUND for what is no PID of a workflow."""
    pid = Pid.parse(command.data["to"])
    if pid is None or pid.node is not None:  # a process of a host: no run has that address
        raise _not_found(command)
    return pid.id


def _not_found(command: Command) -> Error:
    error = no_process(command.data["to"])
    error.message = f"not found: {command.data['to']}"  # as histories have recorded it
    return error
