"""The synchronisation of a cluster's schedules with a registry: they are created, updated and removed.

Every step looks before it acts and does nothing where nothing is to be done, so hosts that start at once with one registry
agree. Only schedules with our mark whose runs go to a queue of this registry are touched: another set of definitions in the
same namespace keeps its own.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace

from temporalio.client import (
    ScheduleAlreadyRunningError,
    ScheduleDescription,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from runtime.errors import NOT_FOUND, Error, conflict
from runtime.registry import Registry
from runtime.temporal.client import rpc
from runtime.temporal.client.clients import Clients
from runtime.temporal.schedules.clusters import Cluster, clusters
from runtime.temporal.schedules.spec import Wanted, mark_of, queue_in, schedule_id, wanted

_log = logging.getLogger("evermoon.schedules")


async def match(registry: Registry, clients: Clients, before: Iterable[str] = ()) -> list[Error]:
    """What could not be done; the rest is. `before` are entries that had schedules, which the server may not list yet."""
    found, errors = await clusters(registry, clients)
    for cluster in found:
        try:
            errors += await _apply(registry, clients, cluster)
            await _tidy(cluster, before)
        except Error as error:
            errors.append(error)
    return errors


async def _apply(registry: Registry, clients: Clients, cluster: Cluster) -> list[Error]:
    errors = []
    for entry, client_id in cluster.entries.values():
        try:
            asked = wanted(registry, entry)
            if asked.indexed:
                await clients.prepare(client_id)
            await _ensure(cluster, asked)
        except Error as error:
            errors.append(Error(error.kind, f"schedule {entry.id}: {error.message}", retryable=error.retryable))
    return errors


async def _tidy(cluster: Cluster, before: Iterable[str]) -> None:
    kept = {schedule_id(id) for id in cluster.entries}
    candidates = {id async for id in cluster.listed()} | {schedule_id(id) for id in before}
    for id in sorted(candidates - kept):
        await _remove(cluster, id)


async def _ensure(cluster: Cluster, asked: Wanted) -> None:
    if await cluster.describe(asked.id) is None and await _created(cluster, asked):
        _log.info("schedule %s created", asked.mark.entry)
        return
    changed = False

    def updated(input: ScheduleUpdateInput) -> ScheduleUpdate | None:
        nonlocal changed
        update = _update(cluster, input.description, asked)
        changed = update is not None
        return update

    handle = cluster.client.get_schedule_handle(asked.id)
    with rpc.mapped():
        await handle.update(updated, rpc_timeout=rpc.TIMEOUT)
    if changed:
        _log.info("schedule %s updated", asked.mark.entry)


async def _created(cluster: Cluster, asked: Wanted) -> bool:
    """False when another host was faster."""
    with rpc.mapped():
        try:
            await cluster.client.create_schedule(asked.id, asked.schedule, rpc_timeout=rpc.TIMEOUT)
        except ScheduleAlreadyRunningError:
            return False
    return True


def _update(cluster: Cluster, found: ScheduleDescription, asked: Wanted) -> ScheduleUpdate | None:
    """What somebody paused or resumed by hand stays so, until the entry itself says something else than it did."""
    if not _ours(cluster, found):
        raise conflict(f"{asked.id} exists and is not of this registry: {_whose(found)}")
    mark = mark_of(found.schedule)
    if mark is None or mark == asked.mark:
        return None
    state = found.schedule.state
    if mark.paused != asked.mark.paused:
        state = replace(state, paused=asked.mark.paused, note=None)
    return ScheduleUpdate(replace(asked.schedule, state=state))


def _ours(cluster: Cluster, found: ScheduleDescription) -> bool:
    mark = mark_of(found.schedule)
    return mark is not None and schedule_id(mark.entry) == found.id and queue_in(found.schedule) in cluster.queues


def _whose(found: ScheduleDescription) -> str:
    if mark_of(found.schedule) is None:
        return "somebody else made it"
    return f'its runs go to the queue "{queue_in(found.schedule)}", which no worker here serves; `schedules delete` ends it'


async def _remove(cluster: Cluster, id: str) -> None:
    found = await cluster.describe(id)
    if found is None or not _ours(cluster, found) or queue_in(found.schedule) not in cluster.served:
        return  # a queue that others poll may have schedules of others, too
    try:
        with rpc.mapped():
            await cluster.client.get_schedule_handle(id).delete(rpc_timeout=rpc.TIMEOUT)
        _log.info("schedule %s removed", id)
    except Error as error:
        if error.kind != NOT_FOUND:  # another host was faster
            raise
