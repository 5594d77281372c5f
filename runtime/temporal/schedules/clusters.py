"""The Temporal namespaces that a registry's workers are connected to, in which its schedules are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from temporalio.client import Client, ScheduleDescription

from runtime.errors import NOT_FOUND, Error
from runtime.process.task_queues import queue_of
from runtime.registry import Registry, TemporalSchedule, TemporalWorker
from runtime.temporal.client import rpc
from runtime.temporal.client.clients import Clients
from runtime.temporal.schedules.spec import entry_id_of, place_of


@dataclass(slots=True)
class Cluster:
    """One namespace of one server, whichever `temporal.client` entries lead there.

    `queues` are those of workers of the registry and of its schedules, `served` those that its workers poll; `entries` the schedules that belong here, by id, each with the
    client entry that it names.
    """

    client: Client
    queues: set[str] = field(default_factory=set)
    served: set[str] = field(default_factory=set)
    entries: dict[str, tuple[TemporalSchedule, str]] = field(default_factory=dict)

    async def listed(self) -> AsyncIterator[str]:
        """Ids of schedules that look like ours. The server lists new ones a little later. Raises `Error`."""
        with rpc.mapped():
            async for found in await self.client.list_schedules(rpc_timeout=rpc.TIMEOUT):
                if entry_id_of(found.id) is not None:
                    yield found.id

    async def describe(self, id: str) -> ScheduleDescription | None:
        """None when there is none. Raises `Error`."""
        try:
            with rpc.mapped():
                return await self.client.get_schedule_handle(id).describe(rpc_timeout=rpc.TIMEOUT)
        except Error as error:
            if error.kind == NOT_FOUND:
                return None
            raise


async def clusters(registry: Registry, clients: Clients) -> tuple[list[Cluster], list[Error]]:
    """Those that answer, and what became of the others."""
    found: dict[tuple[str, str], Cluster] = {}
    by_client: dict[str, Cluster] = {}
    errors: list[Error] = []
    workers = registry.of_kind(TemporalWorker)
    places = {entry.id: place_of(registry, entry) for entry in registry.of_kind(TemporalSchedule)}
    for client_id in dict.fromkeys([worker.client for worker in workers] + [place.client for place in places.values()]):
        try:
            client = await clients.get(client_id)
        except Error as error:
            errors.append(error)
            continue
        place = (client.service_client.config.target_host, client.namespace)
        by_client[client_id] = found.setdefault(place, Cluster(client))
    for worker in workers:
        if worker.client in by_client:
            by_client[worker.client].queues.add(queue_of(registry, worker))
            if worker.id in registry.services.started:
                by_client[worker.client].served.add(queue_of(registry, worker))
    for entry in registry.of_kind(TemporalSchedule):
        runs_at = places[entry.id]
        if runs_at.client in by_client:
            by_client[runs_at.client].entries[entry.id] = (entry, runs_at.client)
            by_client[runs_at.client].queues.add(runs_at.queue)
    return list(found.values()), errors
