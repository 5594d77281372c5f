"""The requests of a run that the SDK's core has yet to resolve, by their numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto.activity_result import ActivityResolution
from temporalio.bridge.proto.child_workflow import ChildWorkflowResult
from temporalio.bridge.proto.workflow_activation import ResolveChildWorkflowExecutionStart


class PendingActivity(NamedTuple):
    """An activity that the core has yet to resolve. `queue` is None for the run's own. `resolve` gets the outcome, or a back-off of a local activity."""

    type: str
    id: str
    queue: str | None
    is_local: bool
    resolve: Callable[[ActivityResolution], None]


class PendingChild(NamedTuple):
    """A child that the core has yet to resolve. Both callbacks are called at most once. `started` is also called for a start that was refused, and then nothing follows."""

    id: str
    type: str
    started: Callable[[ResolveChildWorkflowExecutionStart], None]
    ended: Callable[[ChildWorkflowResult], None]


class PendingRequest(NamedTuple):
    """A signal to, or a cancel of, another run. `resolve` gets the failure, None when it was taken."""

    workflow_id: str
    resolve: Callable[[Failure | None], None]


class Pending:
    """The pending requests of a run. Numbers count from 1 for each kind, in the order of the commands."""

    __slots__ = ("_last", "activities", "cancels", "children", "signals", "timers")

    def __init__(self) -> None:
        self.timers: dict[int, Callable[[], None]] = {}
        self.activities: dict[int, PendingActivity] = {}
        self.children: dict[int, PendingChild] = {}
        self.signals: dict[int, PendingRequest] = {}
        self.cancels: dict[int, PendingRequest] = {}
        self._last: dict[str, int] = {}

    def next(self, kind: str) -> int:
        """The number of the next command of a kind."""
        number = self._last[kind] = self._last.get(kind, 0) + 1
        return number
