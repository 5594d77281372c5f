"""The meaning of a worker's name: the id of a `temporal.worker`, the queue that it serves, or a queue that somebody else serves."""

from __future__ import annotations

import re

from runtime.errors import Error, invalid, not_found
from runtime.registry import Registry, TemporalClient, TemporalWorker
from runtime.registry.problems import did_you_mean

_ID = re.compile(r"[^:]+:[^:]+")


def queue_of(registry: Registry, worker: TemporalWorker) -> str:
    """The task queue of a worker, with the prefix its client gives to queues."""
    resolved = registry.resolve(worker)
    client = registry.resolve(registry[resolved.client])
    return f"{getattr(client, 'tq_prefix', None) or ''}{resolved.task_queue}"


def stored(registry: Registry, queue: str) -> int | None:
    """Bytes from which values that travel through the client of a worker, or of a queue, are kept in its payload store; None where it has none."""
    worker = registry.get(worker_of(registry, queue))
    if not isinstance(worker, TemporalWorker):
        return None
    client = registry[registry.resolve(worker).client]
    return registry.stored_from(client) if isinstance(client, TemporalClient) else None


def worker_of(registry: Registry, name: str) -> str:
    """The id of the worker entry called `name` or serving the queue `name`; else `name`."""
    for worker in registry.of_kind(TemporalWorker):
        if name == worker.id or name == queue_of(registry, worker):
            return worker.id
    return name


def check_host(registry: Registry, entry_id: str, host: str) -> None:
    """Raises `Error` INVALID when `host`, on which `entry_id` is to run, is an entry but no worker, NOT_FOUND when it has
    the form of an id that nobody has. Any other name is a queue, which may be served where nothing is known of this registry."""
    found = registry.get(worker_of(registry, host))
    if found is not None and not isinstance(found, TemporalWorker):
        raise invalid(f"{entry_id}: {host} is a {found.kind}, not a temporal.worker", id=entry_id, host=host)
    if found is None and _ID.fullmatch(host):
        hint = did_you_mean(host, [worker.id for worker in registry.of_kind(TemporalWorker)])
        raise unknown_worker(host, hint)


def unknown_worker(host: str, hint: str | None = None) -> Error:
    """NOT_FOUND, in the words that histories of runs have recorded."""
    error = not_found("temporal.worker", host, host=host)
    error.message = f"temporal.worker {host} not found{f': {hint}' if hint else ''}"
    return error
