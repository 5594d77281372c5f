"""The messages of a run to processes and running functions, carried by a system activity on the queue of the process's node.

The script goes on at once. To one process, one batch is under way at a time, so order is kept; what the script sends in
one step, or while a batch is under way, travels together. The wish to end a process goes by itself, in its turn, and is
waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from runtime.lua.protocol import Command
from runtime.payload import Payload
from runtime.process.host_port import log_line
from runtime.process.pids import Pid
from runtime.temporal import failures, wire
from runtime.temporal.workflow import system_activities
from runtime.temporal.workflow.activity import Outcome
from runtime.temporal.workflow.run import Run

#: What a batch holds at most, in bytes and messages; a single message may be larger.
_BATCH_BYTES, _BATCH_MESSAGES = 1024 * 1024, 1000


@dataclass(frozen=True, slots=True)
class Letter:
    """A message on its way. `at` is the line that sent it."""

    id: str
    topic: str
    args: Sequence[Payload]
    at: str | None

    @property
    def text(self) -> str:
        return f'message "{self.topic}"'


@dataclass(frozen=True, slots=True)
class Ending:
    """A request to end the process, by the system activity `wire.CANCEL_PROCESS` or `wire.TERMINATE_PROCESS`.

    `seq` is the number of the command that waits for it.
    """

    id: str
    activity: str
    reason: str
    seq: int
    at: str | None

    @property
    def text(self) -> str:
        return self.activity.removeprefix(wire.SYSTEM)


def post(run: Run, command: Command, to: Pid) -> None:
    """Sends a message to a process. Arguments have been checked; that it arrives is nobody's promise."""
    _carrier(run, to).add(Letter(_id(run, command), command.data["topic"], command.args, command.at))


def end(run: Run, command: Command, to: Pid, activity: str) -> None:
    """Asks for the end of a process, after what was sent to it before. The command gets its result when that is done."""
    assert command.seq is not None
    reason = command.data.get("reason") or ""
    _carrier(run, to).add(Ending(_id(run, command), activity, reason, command.seq, command.at))


def _id(run: Run, command: Command) -> str:
    return f"{run.info.run_id}/{command.seq}"


def _carrier(run: Run, to: Pid) -> Carrier:
    address = str(to)
    carrier = run.sends.get(address)
    if not isinstance(carrier, Carrier):
        carrier = run.sends[address] = Carrier(run, address, to.node or "")
        run.turns.soon(carrier.next)
    return carrier


class Carrier:
    """The carrier of what is on its way to one process. It is in `Run.sends` until nothing is left."""

    def __init__(self, run: Run, address: str, node: str) -> None:
        self._run, self._address, self._node = run, address, node
        self._letters: list[Letter | Ending] = []
        self._followers: list[Callable[[], None]] = []

    def add(self, item: Letter | Ending) -> None:
        self._letters.append(item)

    def when_done(self, follower: Callable[[], None]) -> None:
        self._followers.append(follower)

    def next(self) -> None:
        """Sends what waits in front; or ends."""
        if not self._letters:
            del self._run.sends[self._address]
            for follower in self._followers:
                self._run.turns.after(2, follower)
        elif isinstance(self._letters[0], Ending):
            self._end(self._letters[0])
        else:
            batch = self._batch()
            args = _packed(self._address, batch)
            system_activities.deliver(self._run, self._node, args, batch[0].at, partial(self._delivered, batch))

    def _delivered(self, batch: Sequence[Letter], outcome: Outcome) -> None:
        if not isinstance(outcome, Payload):
            self._lost(batch, failures.from_failure(outcome).message)
        del self._letters[: len(batch)]
        self.next()

    def _end(self, ending: Ending) -> None:
        def ended(outcome: Outcome) -> None:
            value = Payload.of(True) if isinstance(outcome, Payload) else failures.from_failure(outcome)
            self._run.resolve(ending.seq, value)
            del self._letters[0]
            self.next()

        wanted = {"to": self._address, "id": ending.id, "reason": ending.reason}
        system_activities.end_process(self._run, self._node, ending.activity, wanted, ending.at, ended)

    def _batch(self) -> list[Letter]:
        """The messages at the front, up to a wish to end the process."""
        batch: list[Letter] = []
        size = 0
        for letter in self._letters[:_BATCH_MESSAGES]:
            if isinstance(letter, Ending):
                break
            size += sum(len(arg.data) for arg in letter.args)
            if batch and size > _BATCH_BYTES:
                break
            batch.append(letter)
        return batch

    def give_up(self) -> None:
        """The run closes and waits no longer."""
        self._lost(self._letters, "the run has closed")

    def _lost(self, letters: Sequence[Letter | Ending], why: str) -> None:
        run = self._run
        if run.replaying:
            return
        for letter in letters:
            about: dict[str, Any] = {
                "pid": run.pid,
                "entry": run.entry_id,
                "run_id": run.info.run_id,
                "at": letter.at,
                "fields": {},
            }
            log_line("warn", f"{letter.text} to {self._address} was not delivered: {why}", about)


def _packed(address: str, batch: Sequence[Letter]) -> list[Payload]:
    messages = [{"id": letter.id, "topic": letter.topic, "args": len(letter.args)} for letter in batch]
    head = Payload.of({"to": address, "messages": messages})
    return [head, *(arg for letter in batch for arg in letter.args)]
