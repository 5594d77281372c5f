"""The operations of those who look after schedules: list, pause, resume, trigger, backfill and delete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from temporalio.client import (
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleBackfill,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleOverlapPolicy,
)

from runtime.errors import conflict, invalid, not_found
from runtime.registry import Registry, TemporalSchedule
from runtime.registry.problems import did_you_mean
from runtime.temporal.client import rpc
from runtime.temporal.client.clients import Clients
from runtime.temporal.schedules.clusters import Cluster, clusters
from runtime.temporal.schedules.spec import entry_id_of, mark_of, queue_in, schedule_id


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """The view of one of our schedules. Moments are ISO 8601 in UTC; `running` and `recent` are workflow ids, the latest last."""

    id: str
    entry: str
    workflow: str
    queue: str
    declared: bool
    """Whether the registry has the entry."""
    paused: bool
    note: str | None
    overlap: str
    next: list[str]
    running: list[str]
    recent: list[str]
    actions: int
    """How many runs it has started."""
    skipped: int
    """How many it has not, because one was open."""


class Schedules:
    """The schedules of a registry, to be looked after. `schedule` is an entry id, or the id of a schedule of ours. Every method raises `Error` and nothing else."""

    def __init__(self, registry: Registry, clients: Clients) -> None:
        self._registry = registry
        self._clients = clients

    async def list(self) -> Sequence[ScheduleView]:
        """Those in the namespaces of the registry's workers, by id; with what other sets of definitions have there."""
        views = []
        for cluster in await self._clusters():
            ids = {schedule_id(entry) for entry in cluster.entries} | {id async for id in cluster.listed()}
            for id in ids:
                found = await cluster.describe(id)
                view = _view(found, cluster) if found is not None else None
                if view is not None:
                    views.append(view)
        return sorted(views, key=lambda view: view.id)

    async def describe(self, schedule: str) -> ScheduleView:
        cluster, found = await self._find(schedule)
        view = _view(found, cluster)
        assert view is not None
        return view

    async def pause(self, schedule: str, note: str = "") -> None:
        """No more runs are started, until it is resumed. `note` is shown with it."""
        handle = await self._handle(schedule)
        with rpc.mapped():
            await handle.pause(note=note or None, rpc_timeout=rpc.TIMEOUT)

    async def resume(self, schedule: str, note: str = "") -> None:
        handle = await self._handle(schedule)
        with rpc.mapped():
            await handle.unpause(note=note or None, rpc_timeout=rpc.TIMEOUT)

    async def trigger(self, schedule: str, overlap: str | None = None) -> None:
        """Starts a run now, also while it is paused. `overlap` replaces the schedule's own policy for this once."""
        policy, handle = _policy(overlap), await self._handle(schedule)
        with rpc.mapped():
            await handle.trigger(overlap=policy, rpc_timeout=rpc.TIMEOUT)

    async def backfill(self, schedule: str, start: datetime, end: datetime, overlap: str | None = None) -> None:
        """Does now what would have been done from `start` to `end`."""
        if end < start:
            raise invalid(f"the range ends before it begins: {_text(start)} to {_text(end)}")
        policy, handle = _policy(overlap), await self._handle(schedule)
        with rpc.mapped():
            await handle.backfill(ScheduleBackfill(start, end, policy), rpc_timeout=rpc.TIMEOUT)

    async def delete(self, schedule: str) -> None:
        """Its runs go on. One that the registry has comes back when a host starts."""
        handle = await self._handle(schedule)
        with rpc.mapped():
            await handle.delete(rpc_timeout=rpc.TIMEOUT)

    async def _clusters(self) -> Sequence[Cluster]:
        found, errors = await clusters(self._registry, self._clients)
        if errors:
            raise errors[0]
        return found

    async def _handle(self, schedule: str) -> ScheduleHandle:
        cluster, found = await self._find(schedule)
        return cluster.client.get_schedule_handle(found.id)

    async def _find(self, schedule: str) -> tuple[Cluster, ScheduleDescription]:
        id = schedule if entry_id_of(schedule) is not None else schedule_id(schedule)
        for cluster in await self._clusters():
            found = await cluster.describe(id)
            if found is not None and mark_of(found.schedule) is None:
                raise conflict(f"schedule {id} is not of Evermoon's making")
            if found is not None:
                return cluster, found
        known = [entry.id for entry in self._registry.of_kind(TemporalSchedule)]
        raise not_found("schedule", schedule, did_you_mean(schedule, known))


def _policy(overlap: str | None) -> ScheduleOverlapPolicy | None:
    if overlap is None:
        return None
    try:
        return ScheduleOverlapPolicy[overlap.upper()]
    except KeyError:
        known = ", ".join(policy.name.lower() for policy in ScheduleOverlapPolicy)
        raise invalid(f'no overlap policy "{overlap}"; there are {known}') from None


def _view(found: ScheduleDescription, cluster: Cluster) -> ScheduleView | None:
    mark, schedule, info = mark_of(found.schedule), found.schedule, found.info
    if mark is None or not isinstance(schedule.action, ScheduleActionStartWorkflow):
        return None
    running = [item for item in info.running_actions if isinstance(item, ScheduleActionExecutionStartWorkflow)]
    recent = [item.action for item in info.recent_actions]
    return ScheduleView(
        id=found.id,
        entry=mark.entry,
        workflow=schedule.action.workflow,
        queue=queue_in(schedule),
        declared=mark.entry in cluster.entries,
        paused=schedule.state.paused,
        note=schedule.state.note,
        overlap=schedule.policy.overlap.name.lower(),
        next=[_text(moment) for moment in info.next_action_times],
        running=[item.workflow_id for item in running],
        recent=[item.workflow_id for item in recent if isinstance(item, ScheduleActionExecutionStartWorkflow)],
        actions=info.num_actions,
        skipped=info.num_actions_skipped_overlap,
    )


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
