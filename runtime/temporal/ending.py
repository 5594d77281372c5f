"""How a run ends: its result, its failure, its cancellation, or its successor."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import CancelledError

from runtime import errors
from runtime.errors import Error
from runtime.lua.protocol import Batch
from runtime.payload import NOTHING, Payload
from runtime.process.access import UPGRADE, Asked
from runtime.temporal import attributes, decisions, failures, options, wire
from runtime.temporal.commands import mail, system
from runtime.temporal.headers import outgoing
from runtime.temporal.run import Run


class ScriptFailed(Exception):
    """An error of a script whose type says `on_error: retry_task`: fails the task, so that a repaired script resumes the run."""


async def conclude(run: Run, final: Batch) -> RawValue:
    """Ends the run as its program did. Returns the result or raises what makes Temporal close the run accordingly."""
    error = final.error
    if error is not None and _only_task(run, error, final.spent):
        raise ScriptFailed(_with_stack(error))
    for delay in run.delays.values():
        delay.give_up("its parent has ended")
    await _deliver(run)
    if final.state == "failed" and error is not None:
        _fail(run, error)
    if final.state == "continue":
        _continue(run, final.continuation or {})
    value = final.value or NOTHING
    try:
        decisions.check_size(f"the result of {run.entry_id}", [value], run.host.stored, "result")
    except Error as refusal:
        _fail(run, refusal)
    return wire.raw(value)


def _only_task(run: Run, error: Error, spent: str | None) -> bool:
    """Time and memory are not deterministic: running out of memory while replaying says nothing about the run that was
    recorded, and running out of time never does."""
    if run.on_error == "retry_task" and not (error.kind == errors.CANCELED and run.cancel_requested):
        return True
    return spent == "time" or (spent == "memory" and workflow.unsafe.is_replaying())


def _with_stack(error: Error) -> str:
    return f"{error}\n{error.stack}" if error.stack else str(error)


async def _deliver(run: Run) -> None:
    """Waits for outgoing messages: the server drops what was scheduled in the task that completes the run."""
    await asyncio.sleep(0)  # an update that was answered in this step records its answer first
    deadline: asyncio.Task[None] | None = None
    while run.sends:
        if deadline is None:
            deadline = asyncio.create_task(workflow.sleep(system.SEND_GRACE, summary="messages to be delivered"))
        try:
            await workflow.wait([*run.sends.values(), deadline], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if not run.take_cancellation():
                raise
        if deadline.done():
            mail.give_up(run)
            return
    if deadline is not None:
        deadline.cancel()
        await asyncio.sleep(0)


def _fail(run: Run, error: Error) -> None:
    if error.kind == errors.CANCELED and run.cancel_requested:
        raise CancelledError(str(error))
    raise failures.to_failure(error)


def _continue(run: Run, continuation: dict[str, Any]) -> None:
    successor, workflow_type = run.entry_id, run.info.workflow_type
    if continuation.get("id"):
        try:
            entry = run.host.find(continuation["id"])
        except Error as error:
            _fail(run, error)
        if entry.id != successor:
            try:
                run.ask(Asked(UPGRADE, [entry.id]), 0, 0)
            except Error as error:
                _fail(run, error)
            successor, workflow_type = entry.id, run.host.registry.workflow_type(entry)
    bundle = run.host.bundle(successor)
    args: list[Payload] = continuation.get("args") or []
    chosen = continuation.get("options") or {}
    try:
        headers = wire.headers(
            context=continuation.get("ctx") or run.context,
            principal=run.principal,
            sender=wire.sender_of(run.info.headers),
            bundle=bundle,
        )
        decisions.check_size("arguments of the continued run", args, run.host.stored, "continue")
        unread = {name: [*(continuation.get(name) or []), *later] for name, later in run.untaken().items()}
        headers |= wire.carry(unread)
    except Error as error:
        _fail(run, error)
    with outgoing(headers):
        workflow.continue_as_new(
            args=wire.raws(args),
            workflow=workflow_type,
            task_queue=run.host.queue(chosen.get("task_queue")),
            run_timeout=options.span(chosen, "run_timeout"),
            task_timeout=options.span(chosen, "task_timeout"),
            retry_policy=options.retry_policy(chosen),
            memo=_memo(bundle, chosen),
            search_attributes=attributes.typed(run.host.attributes, chosen.get("search_attributes") or {}),
        )


def _memo(bundle: str, chosen: dict[str, Any]) -> dict[str, Any]:
    """The run's memo goes on; the bundle is the successor's."""
    kept = {key: value for key, value in workflow.memo().items() if key != wire.MEMO_START}
    return {**kept, wire.MEMO_BUNDLE: bundle, **(chosen.get("memo") or {})}
