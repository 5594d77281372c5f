"""The time budget of a run. When it is spent the run is cancelled, so that it compensates; after a grace the server ends it.

What a run has is in its start or, where a starter said nothing, what its entry says at the first task, which is recorded. So a
replay, a continued run and another worker find the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any

from temporalio.bridge.proto.workflow_activation import InitializeWorkflow
from temporalio.exceptions import RetryState

from runtime import errors
from runtime.errors import Error
from runtime.lua.protocol import Batch
from runtime.modules.options import workflow_options
from runtime.temporal import budgets, wire
from runtime.temporal.budgets import Budget
from runtime.temporal.workflow.run import Run
from runtime.temporal.workflow.timer import Timer

_MILLISECOND = 1_000_000
_SUMMARY = "time budget"


def watch(run: Run, start: InitializeWorkflow) -> None:
    """Of a run that has taken its first step: sets the clock of its budget, if it has one and has not ended."""
    budget = budgets.read(run.info.headers) or _of_entry(run)
    if budget is None:
        return
    ends = start.workflow_execution_expiration_time
    expiration = ends.ToMilliseconds() if ends.seconds else None
    budget = _with_deadline(run, budget, expiration)
    run.budget = budget
    if run.final is not None:
        return
    deadline = budget.deadline
    if deadline is None:  # whoever started it has the server end it
        assert expiration is not None
        deadline = expiration - budget.grace
    _after(run, deadline, lambda: _spend(run, budget))


def _with_deadline(run: Run, budget: Budget, expiration: int | None) -> Budget:
    if expiration is not None or budget.deadline is not None:
        return budget
    started = round(run.info.workflow_start_time.astimezone(UTC).timestamp() * 1000)
    return Budget(budget.milliseconds, budget.grace, started + budget.milliseconds)


def _of_entry(run: Run) -> Budget | None:
    """What the entry says, for a start of a plain Temporal client. The first task decides and records it."""
    if run.info.continued_run_id is not None:
        return None
    recorded = run.recorded(wire.BUDGET_MARKER)
    if recorded is None and not run.replaying:
        entry = run.host.registry.find_workflow(run.info.workflow_type)
        found = _read(entry.options) if entry is not None else None
        recorded = f"{found.milliseconds}+{found.grace}" if found is not None else None
    if recorded is None or not run.patched(wire.BUDGET_MARKER + recorded):
        return None
    milliseconds, _, grace = recorded.partition("+")
    return Budget(int(milliseconds), int(grace))


def _read(options: Mapping[str, Any]) -> Budget | None:
    try:
        return budgets.of(workflow_options(options))
    except Error:
        return None  # the registry's check has said so


def _after(run: Run, moment: int, then: Callable[[], None]) -> None:
    left = moment * _MILLISECOND - run.now
    if left > 0:
        run.turns.soon(Timer(run, left / 1e9, _SUMMARY, then).begin)
    else:
        run.turns.soon(then)


def _spend(run: Run, budget: Budget) -> None:
    """Cancels the run, unless it has ended or somebody else has asked it to end before."""
    if run.final is not None or run.cancel_requested:
        return
    _mark(run, budget)
    run.is_budget_spent = True
    run.interrupt(budgets.REASON)
    if budget.deadline is not None:
        _after(run, budget.deadline + budget.grace, lambda: _end(run))


def _mark(run: Run, budget: Budget) -> None:
    """So that lists know it: for the server the run will have failed."""
    run.upsert_memo({wire.MEMO_BUDGET: wire.summary(budget.text)})


def _end(run: Run) -> None:
    """The grace is over, and no server ends the run."""
    if run.final is None:
        run.end(Batch("failed", error=errors.canceled(budgets.REASON)))


def judged(run: Run, final: Batch) -> Error | None:
    """The error of a run that ends because its time is spent, whatever its program says of that."""
    if run.budget is None:
        return None
    if run.is_budget_spent:
        return budgets.spent(run.budget, final.error)
    error = final.error
    if error is not None and _is_starved(error) and run.refused(wire.STARVED_MARKER, lambda: True):
        _mark(run, run.budget)
        return budgets.spent(run.budget, error)
    return None


def _is_starved(error: Error) -> bool:
    """Whether it is of an activity whose next attempt would have come after the run's time: the server then makes none."""
    current: Error | None = error
    while current is not None:
        if (current.details or {}).get("_retry_state") == RetryState.TIMEOUT.name and current.kind != errors.TIMEOUT:
            return True
        current = current.cause
    return False
