"""The end of a run: its result, its failure, its cancellation, or its successor."""

from __future__ import annotations

import logging
from typing import Any

from temporalio.converter import encode_typed_search_attribute_value

from runtime import errors
from runtime.errors import Error
from runtime.lua.protocol import Batch
from runtime.payload import NOTHING, Payload
from runtime.process.authorization import UPGRADE, Asked
from runtime.temporal import failures, sdk_options, search_attributes, wire
from runtime.temporal.workflow import system_activities
from runtime.temporal.workflow.recorded_choices import check_size
from runtime.temporal.workflow.run import Headers, PendingDelivery, Run
from runtime.temporal.workflow.timer import Timer
from runtime.temporal.workflow.turns import RESULT

_log = logging.getLogger("evermoon.runs")


class ScriptFailed(Exception):
    """An error of a script whose type says `on_error: retry_task`: fails the task, so that a repaired script resumes the run."""


def conclude(run: Run) -> None:
    """Ends the run as its program did, when what it sent has arrived: the server drops what was scheduled in the task that
    completes a run."""
    final = run.final
    assert final is not None
    error = final.error
    if error is not None and _only_task(run, error, final.spent):
        raise ScriptFailed(_with_stack(error))
    for delay in list(run.delays.values()):
        delay.give_up("its parent has ended")
    # In the next turn: an update that was answered in this step records its answer first.
    run.turns.soon(_Closing(run, final).begin)


def _only_task(run: Run, error: Error, spent: str | None) -> bool:
    """Time and memory are not deterministic: running out of memory while replaying says nothing about the run that was
    recorded, and running out of time never does."""
    if run.on_error == "retry_task" and not (error.kind == errors.CANCELED and run.cancel_requested):
        return True
    return spent == "time" or (spent == "memory" and run.replaying)


def _with_stack(error: Error) -> str:
    return f"{error}\n{error.stack}" if error.stack else str(error)


class _Closing:
    """A run whose program has ended, while messages are on their way; for `system_activities.SEND_GRACE` at most."""

    def __init__(self, run: Run, final: Batch) -> None:
        self._run, self._final = run, final
        self._deadline: Timer | None = None
        self._awaited: list[PendingDelivery] = []
        self._is_over = False

    def begin(self) -> None:
        """A run that ends in its first task, in which it is cancelled too, is canceled: so histories have it."""
        if self._run.is_cancelled_at_end:
            self._is_over = True
            self._run.emit().cancel_workflow_execution.SetInParent()
        else:
            self.go_on()

    def go_on(self) -> None:
        """Ends the run, or waits for a delivery."""
        run = self._run
        if self._is_over:
            return
        if not run.sends:
            self._is_over = True
            if self._deadline is not None:
                self._deadline.cancel()
                run.turns.soon(_end, run, self._final)
            else:
                _end(run, self._final)
            return
        for delivery in run.sends.values():
            if delivery not in self._awaited:
                self._awaited.append(delivery)
                delivery.when_done(self.go_on)
        if self._deadline is None:
            self._deadline = Timer(
                run, float(system_activities.SEND_GRACE), "messages to be delivered", self._give_up, RESULT + 1
            )
            run.turns.soon(self._deadline.begin)

    def _give_up(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        for delivery in self._run.sends.values():
            delivery.give_up()
        _end(self._run, self._final)


def _end(run: Run, final: Batch) -> None:
    """The last command."""
    try:
        if final.state == "failed" and final.error is not None:
            raise final.error
        if final.state == "continue":
            _continue(run, final.continuation or {})
        else:
            value = final.value or NOTHING
            check_size(run, f"the result of {run.entry_id}", [value], "result")
            run.emit().complete_workflow_execution.result.CopyFrom(wire.to_proto(value))
    except Error as error:
        _fail(run, error)


def _tell(run: Run, error: Error) -> None:
    """Whoever watches a host sees that a run failed, and where, without asking for it."""
    if run.replaying:
        return
    place = error.stack.split(": in ", 1)[0] if error.stack else None
    kind = f" [{error.kind}]" if error.kind else ""
    about = {"at": place, "pid": run.pid, "entry": run.entry_id}
    _log.warning("run %s failed: %s%s", run.info.workflow_id, error, kind, extra={"evermoon": about})


def _fail(run: Run, error: Error) -> None:
    if error.kind == errors.CANCELED and run.cancel_requested:
        run.emit().cancel_workflow_execution.SetInParent()
    else:
        _tell(run, error)
        run.write_failure(failures.to_failure(error), run.emit().fail_workflow_execution.failure)


def _continue(run: Run, continuation: dict[str, Any]) -> None:
    """Raises `Error` for what cannot be."""
    successor, workflow_type = run.entry_id, run.info.workflow_type
    if continuation.get("id"):
        entry = run.host.find(continuation["id"])
        if entry.id != successor:
            run.ask(Asked(UPGRADE, [entry.id]), 0, 0)
            successor, workflow_type = entry.id, run.host.registry.workflow_type(entry)
    bundle = run.host.bundle(successor)
    args: list[Payload] = continuation.get("args") or []
    headers = wire.headers(
        context=continuation.get("ctx") or run.context,
        principal=run.principal,
        sender=wire.sender_of(run.info.headers),
        bundle=bundle,
    )
    check_size(run, "arguments of the continued run", args, "continue")
    unread = {name: [*(continuation.get(name) or []), *later] for name, later in run.untaken().items()}
    _write(run, workflow_type, args, headers | wire.carry(unread), bundle, continuation.get("options") or {})


def _write(
    run: Run, workflow_type: str, args: list[Payload], headers: Headers, bundle: str, chosen: dict[str, Any]
) -> None:
    search = search_attributes.typed(run.host.attributes, chosen.get("search_attributes") or {})
    queue = run.host.queue(chosen.get("task_queue"))
    command = run.emit().continue_as_new_workflow_execution
    command.workflow_type = workflow_type
    if queue:
        command.task_queue = queue
    wire.put(args, command.arguments)
    wire.put_headers(headers, command.headers)
    sdk_options.put_span(command.workflow_run_timeout, chosen, "run_timeout")
    sdk_options.put_span(command.workflow_task_timeout, chosen, "task_timeout")
    sdk_options.put_retry_policy(command.retry_policy, chosen)
    for name, payload in _memo(run, bundle, chosen).items():
        command.memo[name].CopyFrom(payload)
    for pair in search or ():
        encoded = encode_typed_search_attribute_value(pair.key, pair.value)
        command.search_attributes.indexed_fields[pair.key.name].CopyFrom(encoded)


def _memo(run: Run, bundle: str, chosen: dict[str, Any]) -> Headers:
    """The run's memo goes on; the bundle is the successor's."""
    kept = {name: payload for name, payload in run.info.raw_memo.items() if name != wire.MEMO_START}
    own = {wire.MEMO_BUNDLE: bundle, **(chosen.get("memo") or {})}
    return {**kept, **{name: run.payload_of(value) for name, value in own.items()}}
