"""Messages of a run to processes and running functions: carried by a system activity on the queue of the process's node.

The script goes on at once. To one process, one batch is under way at a time, so order is kept; what the script sends in
one step, or while a batch is under way, travels together. The wish to end a process goes by itself, in its turn, and is
waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from temporalio import workflow
from temporalio.exceptions import FailureError

from runtime.errors import Error
from runtime.lua.protocol import Command
from runtime.payload import Payload
from runtime.process.pids import Pid
from runtime.process.services import log_line
from runtime.temporal import failures, wire
from runtime.temporal.commands import system
from runtime.temporal.headers import outgoing
from runtime.temporal.run import Run

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
    """A wish to end the process, by the system activity `wire.CANCEL_PROCESS` or `wire.TERMINATE_PROCESS`.

    `seq` is of the command that waits for it.
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
    _add(run, to, Letter(_id(run, command), command.data["topic"], command.args, command.at))


def end(run: Run, command: Command, to: Pid, activity: str) -> None:
    """Asks for the end of a process, after what was sent to it before. The command gets its result when that is done."""
    assert command.seq is not None
    reason = command.data.get("reason") or ""
    _add(run, to, Ending(_id(run, command), activity, reason, command.seq, command.at))


def _id(run: Run, command: Command) -> str:
    return f"{run.info.run_id}/{command.seq}"


def _add(run: Run, to: Pid, item: Letter | Ending) -> None:
    address = str(to)
    run.letters.setdefault(address, []).append(item)
    if address not in run.sends:
        run.sends[address] = run.watch(_carry(run, address, to.node or ""), f"letters to {address}")


async def _carry(run: Run, address: str, node: str) -> None:
    letters = run.letters[address]
    while letters:
        if isinstance(letters[0], Ending):
            await _end(run, address, node, letters[0])
            del letters[0]
            continue
        batch = _batch(letters)
        try:
            with outgoing(wire.headers(sender=run.pid)):
                under_way = system.deliver(node, _packed(address, batch), batch[0].at)
            await under_way
        except FailureError as failure:
            _lost(run, address, batch, failures.from_failure(failure).message)
        del letters[: len(batch)]
    del run.letters[address], run.sends[address]


async def _end(run: Run, address: str, node: str, ending: Ending) -> None:
    wanted = {"to": address, "id": ending.id, "reason": ending.reason}
    outcome: Payload | Error = Payload.of(True)
    try:
        with outgoing(wire.headers(sender=run.pid)):
            under_way = system.end_process(node, ending.activity, wanted, ending.at)
        await under_way
    except FailureError as failure:
        outcome = failures.from_failure(failure)
    run.resolve(ending.seq, outcome)


def _batch(letters: Sequence[Letter | Ending]) -> list[Letter]:
    """The messages at the front, up to a wish to end the process."""
    batch: list[Letter] = []
    size = 0
    for letter in letters[:_BATCH_MESSAGES]:
        if isinstance(letter, Ending):
            break
        size += sum(len(arg.data) for arg in letter.args)
        if batch and size > _BATCH_BYTES:
            break
        batch.append(letter)
    return batch


def _packed(address: str, batch: Sequence[Letter]) -> list[Payload]:
    messages = [{"id": letter.id, "topic": letter.topic, "args": len(letter.args)} for letter in batch]
    head = Payload.of({"to": address, "messages": messages})
    return [head, *(arg for letter in batch for arg in letter.args)]


def give_up(run: Run) -> None:
    """The run closes and waits no longer."""
    for address, letters in run.letters.items():
        _lost(run, address, letters, "the run has closed")


def _lost(run: Run, address: str, letters: Sequence[Letter | Ending], why: str) -> None:
    if workflow.unsafe.is_replaying():
        return
    for letter in letters:
        about: dict[str, Any] = {
            "pid": run.pid,
            "entry": run.entry_id,
            "run_id": run.info.run_id,
            "at": letter.at,
            "fields": {},
        }
        log_line("warn", f"{letter.text} to {address} was not delivered: {why}", about)
