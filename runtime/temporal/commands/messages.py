"""`send`, `cancel_process` and `terminate`: what a run does to other runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from temporalio import workflow
from temporalio.exceptions import FailureError

from runtime import errors
from runtime.errors import Error
from runtime.lua import protocol
from runtime.lua.protocol import Command
from runtime.payload import Payload
from runtime.process.pids import Pid
from runtime.temporal import decisions, wire
from runtime.temporal.commands import delays, mail, system
from runtime.temporal.headers import outgoing
from runtime.temporal.run import Run

_TRUE = Payload.of(True)


def send(run: Run, command: Command) -> None:
    """An external signal, answered when it is acknowledged; to a process a letter; to the run itself, its own mailbox."""
    topic, seq = command.data["topic"], command.seq
    assert seq is not None
    decisions.check_size(f'message "{topic}"', command.args, run.host.stored, str(seq))
    to = Pid.parse(command.data["to"])
    if to is not None and to.node is not None:
        mail.post(run, command, to)
        run.settle(seq, _TRUE)
        return
    target = _workflow_id(command)
    if target == run.info.workflow_id:
        run.post(protocol.message(topic, run.pid, command.args, workflow.time_ns()))
        run.settle(seq, _TRUE)
        return
    if target in run.delays:
        run.delays[target].skip()
    task = deliver(run, target, topic, command.args)
    task.add_done_callback(lambda done: _answered(run, command, done))


def deliver(run: Run, target: str, topic: str, args: Sequence[Payload]) -> asyncio.Task[None]:
    """Signals another run, after what was sent to it before; a closing run waits for it.

    The server carries out the signals of one workflow task side by side, so order has to be made here.
    """
    before, delay = run.sends.get(target), run.delays.get(target)
    task = asyncio.create_task(_signal(run, before, delay, target, topic, args), name=f"send {topic}")
    run.sends[target] = task
    task.add_done_callback(lambda done: _forget(run, target, done))
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # a refused greeting is nobody's failure
    return task


def _forget(run: Run, target: str, task: asyncio.Task[None]) -> None:
    if run.sends.get(target) is task:
        del run.sends[target]


async def _signal(
    run: Run,
    before: asyncio.Task[None] | None,
    delay: delays.Delay | None,
    target: str,
    topic: str,
    args: Sequence[Payload],
) -> None:
    if before is not None:
        await workflow.wait([before])
    if delay is not None:
        await delay.passed()
    with outgoing(wire.headers(sender=run.pid)):
        await workflow.get_external_workflow_handle(target).signal(topic, args=wire.raws(args))


def _answered(run: Run, command: Command, task: asyncio.Task[None]) -> None:
    failure = None if task.cancelled() else task.exception()
    if failure is None:
        _resolve(run, command, _TRUE)
    elif isinstance(failure, FailureError):
        _resolve(run, command, _not_found(command))
    elif isinstance(failure, Exception):
        run.crash(failure)


def cancel_process(run: Run, command: Command) -> None:
    """Requests the cancellation of a run, with its reason.

    An activity does it: the server takes the command of a workflow for a run that has ended as well, and lets no run
    cancel itself.
    """
    if _ends_process(run, command, wire.CANCEL_PROCESS):
        return
    target, reason = _workflow_id(command), command.data.get("reason") or ""
    if delays.give_up(run, target, "workflow canceled"):
        run.settle(command.seq, _TRUE)
        return
    own = target == run.info.workflow_id
    if workflow.patched(wire.CANCEL_MARKER):
        if own:
            run.own_cancellation = reason
    elif not own:
        task = asyncio.create_task(workflow.get_external_workflow_handle(target).cancel(reason=reason), name="cancel")
        task.add_done_callback(lambda done: _answered(run, command, done))
        return
    system.cancel(run, target, reason).add_done_callback(lambda done: _answered(run, command, done))


def terminate(run: Run, command: Command) -> None:
    """Terminates another run. Temporal has no such command, so an activity of this worker does it."""
    if _ends_process(run, command, wire.TERMINATE_PROCESS):
        return
    target, reason = _workflow_id(command), command.data.get("reason") or ""
    if delays.give_up(run, target, "workflow terminated"):
        run.settle(command.seq, _TRUE)
        return
    handle = system.terminate(run, target, reason)
    handle.add_done_callback(lambda done: _answered(run, command, done))


def _ends_process(run: Run, command: Command, activity: str) -> bool:
    """Whether the destination is a process of a host: an activity on the queue of its node then does it."""
    to = Pid.parse(command.data["to"])
    if to is None or to.node is None or not workflow.patched(wire.END_PROCESS_MARKER):
        return False
    mail.end(run, command, to, activity)
    return True


def _resolve(run: Run, command: Command, value: Payload | Error) -> None:
    assert command.seq is not None
    run.resolve(command.seq, value)


def _workflow_id(command: Command) -> str:
    """The run a PID names. Raises `Error` NOT_FOUND for what is no PID of a workflow."""
    pid = Pid.parse(command.data["to"])
    if pid is None or pid.node is not None:  # a process of a host: no run has that address
        raise _not_found(command)
    return pid.id


def _not_found(command: Command) -> Error:
    destination = command.data["to"]
    return Error(errors.NOT_FOUND, f"not found: {destination}", retryable=False, details={"destination": destination})
