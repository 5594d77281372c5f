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
#: What is said of each besides its topic and values, and those values' envelopes.
_ABOUT = 1000


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message on its way. `at` is the line that sent it."""

    id: str
    topic: str
    args: Sequence[Payload]
    at: str | None

    @property
    def text(self) -> str:
        return f'message "{self.topic}"'


@dataclass(frozen=True, slots=True)
class EndRequest:
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
    _outbox(run, to).add(OutgoingMessage(_id(run, command), command.data["topic"], command.args, command.at))


def end(run: Run, command: Command, to: Pid, activity: str) -> None:
    """Asks for the end of a process, after what was sent to it before. The command gets its result when that is done."""
    assert command.seq is not None
    reason = command.data.get("reason") or ""
    _outbox(run, to).add(EndRequest(_id(run, command), activity, reason, command.seq, command.at))


def _id(run: Run, command: Command) -> str:
    return f"{run.info.run_id}/{command.seq}"


def _outbox(run: Run, to: Pid) -> Outbox:
    address = str(to)
    outbox = run.sends.get(address)
    if not isinstance(outbox, Outbox):
        outbox = run.sends[address] = Outbox(run, address, to.node or "")
        run.turns.soon(outbox.next)
    return outbox


class Outbox:
    """The messages and end requests on their way to one process, in `Run.sends` until nothing is left."""

    def __init__(self, run: Run, address: str, node: str) -> None:
        self._run, self._address, self._node = run, address, node
        self._waiting: list[OutgoingMessage | EndRequest] = []
        self._followers: list[Callable[[], None]] = []

    def add(self, item: OutgoingMessage | EndRequest) -> None:
        self._waiting.append(item)

    def when_done(self, follower: Callable[[], None]) -> None:
        self._followers.append(follower)

    def next(self) -> None:
        """Sends what waits in front; or ends."""
        if not self._waiting:
            del self._run.sends[self._address]
            for follower in self._followers:
                self._run.turns.after(2, follower)
        elif isinstance(self._waiting[0], EndRequest):
            self._end(self._waiting[0])
        else:
            batch = self._batch()
            args = _packed(self._address, batch)
            system_activities.deliver(self._run, self._node, args, batch[0].at, partial(self._delivered, batch))

    def _delivered(self, batch: Sequence[OutgoingMessage], outcome: Outcome) -> None:
        if not isinstance(outcome, Payload):
            self._lost(batch, failures.from_failure(outcome).message)
        del self._waiting[: len(batch)]
        self.next()

    def _end(self, ending: EndRequest) -> None:
        def ended(outcome: Outcome) -> None:
            value = Payload.of(True) if isinstance(outcome, Payload) else failures.from_failure(outcome)
            self._run.resolve(ending.seq, value)
            del self._waiting[0]
            self.next()

        wanted = {"to": self._address, "id": ending.id, "reason": ending.reason}
        system_activities.end_process(self._run, self._node, ending.activity, wanted, ending.at, ended)

    def _batch(self) -> list[OutgoingMessage]:
        """The messages at the front, up to a wish to end the process."""
        batch: list[OutgoingMessage] = []
        size = 0
        for message in self._waiting[:_BATCH_MESSAGES]:
            if isinstance(message, EndRequest):
                break
            size += sum(len(arg.data) for arg in message.args) + len(message.topic) + _ABOUT
            if batch and size > _BATCH_BYTES:
                break
            batch.append(message)
        return batch

    def give_up(self) -> None:
        """The run closes and waits no longer."""
        self._lost(self._waiting, "the run has closed")

    def _lost(self, messages: Sequence[OutgoingMessage | EndRequest], why: str) -> None:
        run = self._run
        if run.replaying:
            return
        for message in messages:
            about: dict[str, Any] = {
                "pid": run.pid,
                "entry": run.entry_id,
                "run_id": run.info.run_id,
                "at": message.at,
                "fields": {},
            }
            log_line("warn", f"{message.text} to {self._address} was not delivered: {why}", about)


def _packed(address: str, batch: Sequence[OutgoingMessage]) -> list[Payload]:
    messages = [{"id": message.id, "topic": message.topic, "args": len(message.args)} for message in batch]
    head = Payload.of({"to": address, "messages": messages})
    return [head, *(arg for message in batch for arg in message.args)]
