"""Time budgets of runs: what starters write of them, and how a run that has spent its budget is known.

A budget is not Temporal's execution timeout, which ends a run at once, without compensation. A starter sends the budget as a header
and has the server end the run a grace later than that; the run itself cancels itself when the budget is spent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.api.common.v1 import Payload as Proto

from runtime import durations, errors
from runtime.errors import Error
from runtime.temporal import wire

#: Why a run is cancelled whose budget is spent.
REASON = "time budget spent"
#: `details.timeout_type` of the error that such a run ends with.
TIMEOUT_TYPE = "Budget"
#: The grace that nobody has set: this part of the budget, and at least so many milliseconds.
_PART, _LEAST = 10, 10_000


@dataclass(frozen=True, slots=True)
class Budget:
    """In milliseconds. `deadline` is since 1970, of a run for which the server has no end: such a run ends itself."""

    milliseconds: int
    grace: int
    deadline: int | None = None

    @property
    def text(self) -> str:
        return durations.text(timedelta(milliseconds=self.milliseconds))

    def header(self) -> Proto:
        told = {"budget": self.milliseconds, "grace": self.grace}
        return wire.clear_header(told if self.deadline is None else {**told, "deadline": self.deadline})


def of(options: Mapping[str, Any]) -> Budget | None:
    """The budget that normalised options of a start ask for. One that the run's execution timeout comes before is none.

    Raises `Error` INVALID together with a cron schedule, whose runs are one for the server.
    """
    milliseconds: int | None = options.get("budget")
    if milliseconds is None:
        return None
    if options.get("cron_schedule"):
        raise errors.invalid(
            'options "workflow.budget" and "workflow.cron_schedule" exclude each other: a temporal.schedule starts runs '
            "that have a budget each",
            option="workflow.budget",
        )
    grace = options.get("budget_grace") or max(milliseconds // _PART, _LEAST)
    limit = options.get("execution_timeout")
    if limit is not None:
        grace = min(grace, limit - milliseconds)
    return Budget(milliseconds, grace) if grace > 0 else None


def headers(budget: Budget | None) -> dict[str, Proto]:
    return {} if budget is None else {wire.BUDGET: budget.header()}


def read(headers: Mapping[str, Proto]) -> Budget | None:
    """The inverse. None for what is not ours to read."""
    told = wire.read_header(headers, wire.BUDGET)
    try:
        return Budget(int(told["budget"]), int(told["grace"]), told.get("deadline"))
    except (TypeError, KeyError, ValueError, AttributeError):
        return None


def with_limit(options: Mapping[str, Any], budget: Budget | None) -> Mapping[str, Any]:
    """The options with the execution timeout by which the server ends the run when its grace is over."""
    if budget is None:
        return options
    return {**options, "execution_timeout": budget.milliseconds + budget.grace}


def spent(budget: Budget, cause: Error | None) -> Error:
    """What a run ends with that has spent its budget; `cause` is how its program ended, where that says more than that it was canceled."""
    says_more = cause is not None and cause.kind != errors.CANCELED
    error = _spent(budget.text, budget.text)
    error.cause = cause if says_more else None
    error.stack = cause.stack if cause is not None else None
    return error


def overrun(budget: str) -> Error:
    """What a run ends with that the server had to end after its grace; `budget` in words."""
    return _spent(f"{budget}; the run did not end within its grace", budget)


def _spent(what: str, budget: str) -> Error:
    error = errors.timed_out(f"{REASON}: {what}", timeout_type=TIMEOUT_TYPE, budget=budget, reason=REASON)
    error.retryable = False  # another attempt has no more time
    return error


def is_spent(error: Error) -> bool:
    """Whether an error is that of a run, or of a child of it, that has spent its budget."""
    return error.kind == errors.TIMEOUT and (error.details or {}).get("timeout_type") == TIMEOUT_TYPE
