"""A `temporal.schedule` entry as Temporal's own schedule, with the mark by which it is known again.

The mark travels as a header of the action: Temporal gives it back unchanged, which it does not the specification itself
(cron becomes calendars), so the mark says whether a schedule is what its entry asks for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
)
from temporalio.common import TypedSearchAttributes

from runtime import limits
from runtime.errors import Error, invalid
from runtime.late import late
from runtime.modules.options import workflow_options
from runtime.payload import Payload
from runtime.process.task_queues import queue_of
from runtime.registry import Registry, StartableWorkflow, TemporalSchedule, TemporalWorker, TemporalWorkflow
from runtime.registry.kinds.schedule import Calendar, Range
from runtime.temporal import budgets, sdk_options, search_attributes, wire
from runtime.temporal.client.clients import Clients, declared

if TYPE_CHECKING:
    from runtime.registry import inputs
else:
    inputs = late("runtime.registry.inputs")

#: Goes up when schedules are built differently from the same entry, so that those that exist are updated.
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Mark:
    """The mark of a schedule of ours. `definition` is a hash of everything that the entry says, but for `paused`."""

    entry: str
    definition: str
    paused: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """A schedule as its entry asks for it."""

    id: str
    mark: Mark
    schedule: Schedule
    indexed: bool
    """Whether its runs have search attributes, which must be registered first."""


@dataclass(frozen=True, slots=True)
class SchedulePlace:
    """The client and the task queue of the runs of a schedule."""

    client: str
    queue: str


def schedule_id(entry_id: str) -> str:
    return wire.SCHEDULE_ID.format(entry=entry_id)


def entry_id_of(schedule: str) -> str | None:
    """The inverse of `schedule_id`; None for an id that is not of its form."""
    prefix = wire.SCHEDULE_ID.format(entry="")
    return schedule.removeprefix(prefix) if schedule.startswith(prefix) else None


def place_of(registry: Registry, entry: TemporalSchedule) -> SchedulePlace:
    """Where what the schedule starts runs. Raises `Error` INVALID when nothing says so."""
    workflow = _workflow(registry, entry)
    workers = registry.of_kind(TemporalWorker)
    if isinstance(workflow, TemporalWorkflow):
        if entry.worker is None and workflow.task_queue is not None:
            workflow = registry.resolve(workflow)
            return SchedulePlace(workflow.client or Clients(registry).default, workflow.task_queue or "")
        name = entry.worker or workflow.worker
    else:
        name = entry.worker or workflow.workflow.worker or (workers[0].id if len(workers) == 1 else None)
    worker = registry.get(name) if name else None
    if not isinstance(worker, TemporalWorker):
        raise invalid(f"neither the schedule nor {workflow.id} names a worker")
    return SchedulePlace(worker.client, queue_of(registry, worker))


def args_of(entry: TemporalSchedule) -> Sequence[Any]:
    return entry.input if isinstance(entry.input, tuple) else () if entry.input is None else (entry.input,)


def wanted(registry: Registry, entry: TemporalSchedule) -> Wanted:
    """Raises `Error` INVALID for placeholders that cannot be resolved and options that cannot be used."""
    entry = registry.resolve(entry)
    action, indexed = _action(registry, entry)
    mark = Mark(entry.id, _fingerprint(entry, action), entry.paused)
    action.headers = {**(action.headers or {}), wire.SCHEDULE: wire.clear_header(asdict(mark))}
    policy = SchedulePolicy(ScheduleOverlapPolicy[entry.overlap.upper()], entry.catchup_window)
    schedule = Schedule(action, _spec(entry), policy, ScheduleState(paused=entry.paused))
    return Wanted(schedule_id(entry.id), mark, schedule, indexed)


def mark_of(schedule: Schedule) -> Mark | None:
    """None for a schedule that is not of our making."""
    action = schedule.action
    if not isinstance(action, ScheduleActionStartWorkflow) or not action.headers:
        return None
    found = wire.read_header(action.headers, wire.SCHEDULE)
    try:
        return Mark(str(found["entry"]), str(found["definition"]), bool(found["paused"]))
    except (TypeError, KeyError):
        return None


def queue_in(schedule: Schedule) -> str:
    action = schedule.action
    return action.task_queue if isinstance(action, ScheduleActionStartWorkflow) else ""


def _workflow(registry: Registry, entry: TemporalSchedule) -> StartableWorkflow:
    workflow = registry.get(entry.workflow)
    if not isinstance(workflow, StartableWorkflow):
        raise invalid(f"{entry.workflow} is no workflow")
    return workflow


def _action(registry: Registry, entry: TemporalSchedule) -> tuple[ScheduleActionStartWorkflow, bool]:
    workflow, place = _workflow(registry, entry), place_of(registry, entry)
    try:
        chosen = workflow_options(workflow.options)
        budget = budgets.of(chosen)
        search = search_attributes.typed(declared(registry, place.client), chosen.get("search_attributes") or {})
    except Error as error:
        raise invalid(f"{workflow.id}: {error.message}") from None
    args = [Payload.of(arg) for arg in args_of(entry)]
    limits.check_size(f"input of {entry.id}", args)
    if workflow.input_schema is not None:
        inputs.check_args(workflow.id, workflow.input_schema, args)
    action = ScheduleActionStartWorkflow(
        registry.workflow_type(workflow),
        args=wire.raws(args),
        id=entry.id,  # Temporal adds the moment
        task_queue=place.queue,
        execution_timeout=sdk_options.span(budgets.with_limit(chosen, budget), "execution_timeout"),
        run_timeout=sdk_options.span(chosen, "run_timeout"),
        task_timeout=sdk_options.span(chosen, "task_timeout"),
        retry_policy=sdk_options.retry_policy(chosen),
        memo=chosen.get("memo"),
        typed_search_attributes=search or TypedSearchAttributes.empty,
        static_summary=chosen.get("summary"),
        static_details=chosen.get("details"),
        priority=sdk_options.priority(chosen),
    )
    action.headers = budgets.headers(budget)
    return action, search is not None


def _spec(entry: TemporalSchedule) -> ScheduleSpec:
    return ScheduleSpec(
        cron_expressions=list(entry.cron),
        intervals=[ScheduleIntervalSpec(entry.interval)] if entry.interval else [],
        calendars=[_calendar(calendar) for calendar in entry.calendars],
        time_zone_name=entry.time_zone,
    )


def _calendar(calendar: Calendar) -> ScheduleCalendarSpec:
    return ScheduleCalendarSpec(
        second=_ranges(calendar.second),
        minute=_ranges(calendar.minute),
        hour=_ranges(calendar.hour),
        day_of_month=_ranges(calendar.day_of_month),
        month=_ranges(calendar.month),
        year=_ranges(calendar.year),
        day_of_week=_ranges(calendar.day_of_week),
        comment=calendar.comment,
    )


def _ranges(ranges: Sequence[Range]) -> list[ScheduleRange]:
    return [ScheduleRange(found.start, found.end, found.step) for found in ranges]


def _fingerprint(entry: TemporalSchedule, action: ScheduleActionStartWorkflow) -> str:
    started = {name: repr(value) for name, value in vars(action).items() if name not in ("args", "headers")}
    said = [_FORMAT, started, entry.input, entry.cron, entry.interval, entry.time_zone, entry.overlap]
    said += [entry.catchup_window, [_texts(calendar) for calendar in entry.calendars]]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=repr).encode()).hexdigest()


def _texts(calendar: Calendar) -> dict[str, str]:
    return {name: repr(getattr(calendar, name)) for name in type(calendar).model_fields}
