"""The end of a run: its result, its failure, its cancellation, or its successor."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from temporalio.api.common.v1 import SearchAttributes
from temporalio.common import TypedSearchAttributes

from runtime import errors, limits
from runtime.errors import Error, invalid
from runtime.lua.protocol import Batch
from runtime.payload import NOTHING, Payload
from runtime.process.authorization import UPGRADE, AccessRequest
from runtime.registry import WorkflowLua
from runtime.temporal import budgets, failures, sdk_options, search_attributes, wire
from runtime.temporal.workflow import budget, system_activities
from runtime.temporal.workflow.recorded_choices import check, check_input, check_size, request_size
from runtime.temporal.workflow.run import Headers, PendingDelivery, Run
from runtime.temporal.workflow.timer import Timer
from runtime.temporal.workflow.turns import RESULT

_log = logging.getLogger("evermoon.runs")


class ScriptFailed(Exception):
    """An error of a script whose type says `on_error: retry_task`: fails the task, so that a repaired script resumes the run."""

    def __init__(self, error: Error) -> None:
        super().__init__(f"{error}\n{error.stack}" if error.stack else str(error))
        self.error = error


def conclude(run: Run) -> None:
    """Ends the run as its program did, when what it sent has arrived: the server drops what was scheduled in the task that
    completes a run."""
    final = run.final
    assert final is not None
    error = final.error
    if error is not None and _only_task(run, error, final.spent):
        raise ScriptFailed(error)
    for delay in list(run.delays.values()):
        delay.give_up("its parent has ended")
    # In the next turn: an update that was answered in this step records its answer first.
    run.turns.soon(_Closing(run, final).begin)


def _only_task(run: Run, error: Error, spent: str | None) -> bool:
    """Time and memory are not deterministic: running out of memory while replaying says nothing about the run that was
    recorded, and running out of time never does; nor does a stack that has no room for what another interpreter held already."""
    if run.on_error == "retry_task" and not (error.kind == errors.CANCELED and run.cancel_requested):
        return True
    return spent in ("time", "stack") or (spent == "memory" and run.replaying)


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
        if not run.sends and not run.pacing.when_done(self.go_on):
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
    """The last command, with the task that has room for it."""
    run.pacing.send(_weight(run, final), partial(_write_end, run, final), lasts=True)


def _weight(run: Run, final: Batch) -> int:
    """Bytes of the last command, at most; of a failure those that `failures` lets it have."""
    if final.state == "continue":
        return limits.MAX_REQUEST if run.used > limits.ROOM else 0
    if final.error is not None:
        return failures.MAX_SIZE
    return min(limits.weight([final.value or NOTHING], run.host.stored), limits.MAX_BLOB)


def _write_end(run: Run, final: Batch) -> None:
    try:
        spent = budget.judged(run, final)
        if spent is not None:
            raise spent
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
            run.ask(AccessRequest(UPGRADE, [entry.id]), 0, 0)
            successor, workflow_type = entry.id, run.host.registry.workflow_type(entry)
    bundle = run.host.bundle(successor)
    args: list[Payload] = continuation.get("args") or []
    next_entry = run.host.registry.get(successor)
    schema = next_entry.input_schema if isinstance(next_entry, WorkflowLua) else None
    check_input(run, "continue", successor, schema, args)
    headers = wire.headers(
        context=continuation.get("ctx") or run.context,
        principal=run.principal,
        sender=wire.sender_of(run.info.headers),
        depth=run.depth,
        bundle=bundle,
    )
    check_size(run, "arguments of the continued run", args, "continue")
    unread = {name: [*(continuation.get(name) or []), *later] for name, later in run.untaken().items()}
    headers |= wire.carry(unread) | budgets.headers(run.budget)
    _write(run, workflow_type, args, headers, bundle, continuation.get("options") or {})


def _write(
    run: Run, workflow_type: str, args: list[Payload], headers: Headers, bundle: str, chosen: dict[str, Any]
) -> None:
    search = search_attributes.typed(run.host.attributes, chosen.get("search_attributes") or {})
    queue = run.host.queue(chosen.get("task_queue"))
    memo = _memo(run, bundle, chosen)
    _check(run, args, headers, memo, search)
    command = run.emit().continue_as_new_workflow_execution
    command.workflow_type = workflow_type
    if queue:
        command.task_queue = queue
    wire.put(args, command.arguments)
    wire.put_headers(headers, command.headers)
    sdk_options.put_span(command.workflow_run_timeout, chosen, "run_timeout")
    sdk_options.put_span(command.workflow_task_timeout, chosen, "task_timeout")
    sdk_options.put_retry_policy(command.retry_policy, chosen)
    for name, payload in memo.items():
        command.memo[name].CopyFrom(payload)
    search_attributes.put(search or (), command.search_attributes)


def _check(
    run: Run, args: list[Payload], headers: Headers, memo: Headers, search: TypedSearchAttributes | None
) -> None:
    """Raises `Error` INVALID for parts, or a sum of them, that are more than Temporal takes."""
    attributes = SearchAttributes()
    search_attributes.put(search or (), attributes)
    sizes = [(name, value.ByteSize()) for name, value in memo.items()]

    def live() -> None:
        search_attributes.check_size(attributes)
        limits.check_memo("the memo of the continued run", sizes)

    check(run, "continue", "continue", live, invalid("the continued run was refused"))
    request_size(run, "the continued run", "continue", args, headers, sum(size for _, size in sizes))


def _memo(run: Run, bundle: str, chosen: dict[str, Any]) -> Headers:
    """The run's memo goes on; the bundle is the successor's."""
    kept = {name: payload for name, payload in run.info.raw_memo.items() if name != wire.MEMO_START}
    own = {wire.MEMO_BUNDLE: bundle, **(chosen.get("memo") or {})}
    return {**kept, **{name: run.payload_of(value) for name, value in own.items()}}
