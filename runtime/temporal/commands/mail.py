"""Messages of a run to processes and running functions: carried by a system activity on the queue of the process's node.

The script goes on at once. To one process, one batch is under way at a time, so order is kept; what the script sends in
one step, or while a batch is under way, travels together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from temporalio import workflow
from temporalio.exceptions import FailureError

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


def post(run: Run, command: Command, to: Pid) -> None:
    """Sends a message to a process. Arguments have been checked; that it arrives is nobody's promise."""
    address = str(to)
    letter = Letter(f"{run.info.run_id}/{command.seq}", command.data["topic"], command.args, command.at)
    run.letters.setdefault(address, []).append(letter)
    if address not in run.sends:
        run.sends[address] = run.watch(_carry(run, address, to.node or ""), f"letters to {address}")


async def _carry(run: Run, address: str, node: str) -> None:
    letters = run.letters[address]
    while letters:
        batch = _batch(letters)
        try:
            with outgoing(wire.headers(sender=run.pid)):
                under_way = system.deliver(node, _packed(address, batch), batch[0].at)
            await under_way
        except FailureError as failure:
            _lost(run, address, batch, failures.from_failure(failure).message)
        del letters[: len(batch)]
    del run.letters[address], run.sends[address]


def _batch(letters: Sequence[Letter]) -> list[Letter]:
    batch: list[Letter] = []
    size = 0
    for letter in letters[:_BATCH_MESSAGES]:
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


def _lost(run: Run, address: str, letters: Sequence[Letter], why: str) -> None:
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
        log_line("warn", f'message "{letter.topic}" to {address} was not delivered: {why}', about)
