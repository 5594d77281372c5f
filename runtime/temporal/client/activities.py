"""Activities of elsewhere, called by no workflow: by a function, a handler, a process or the command line."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from temporalio.client import ActivityFailureError, ActivityHandle, Client
from temporalio.common import RawValue
from temporalio.exceptions import ActivityAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from runtime import errors, limits
from runtime.errors import Error, invalid
from runtime.modules.options import activity_options
from runtime.payload import Payload
from runtime.principal import Caller
from runtime.process.task_queues import queue_of
from runtime.registry import Registry, TemporalActivity, TemporalWorker
from runtime.registry.foreign import check_input, check_result
from runtime.temporal import failures, sdk_options, wire
from runtime.temporal.client import rpc
from runtime.temporal.client.clients import Clients

Handle = ActivityHandle[RawValue]


async def call(
    registry: Registry,
    clients: Clients,
    entry_id: str,
    args: Sequence[Payload],
    caller: Caller,
    options: Mapping[str, Any],
) -> Payload:
    """See `runtime.contracts.LinkedWorkflows.call_activity`. Whoever stops waiting has the activity cancelled."""
    entry = registry.resolve(registry[entry_id])
    assert isinstance(entry, TemporalActivity)
    check_input(entry, args)
    client_id, queue = _place(registry, clients, entry)
    limits.check_size(f"arguments of {entry_id}", args, clients.travel(client_id).threshold)
    chosen = {**activity_options(entry.options), **options}
    client = await clients.get(client_id)
    with rpc.mapped():
        handle = await _started(client, entry, args, chosen.get("task_queue") or queue, chosen)
        try:
            value = wire.unraw(await handle.result())
        except ActivityFailureError as failure:
            raise failures.from_failure(failure.cause, elsewhere=True) from None
        except asyncio.CancelledError:
            with suppress(Error, RPCError):
                await asyncio.shield(handle.cancel())
            raise
    check_result(entry, value)
    return value


def _place(registry: Registry, clients: Clients, entry: TemporalActivity) -> tuple[str, str]:
    """The client and the queue that an entry names."""
    worker = registry.get(entry.worker) if entry.worker is not None else None
    if isinstance(worker, TemporalWorker):
        return worker.client, queue_of(registry, worker)
    return entry.client or clients.default, entry.task_queue or ""


def _attempt(chosen: Mapping[str, Any]) -> timedelta:
    return sdk_options.span(chosen, "start_to_close_timeout") or timedelta(milliseconds=sdk_options.START_TO_CLOSE)


async def _started(
    client: Client, entry: TemporalActivity, args: Sequence[Payload], queue: str, chosen: Mapping[str, Any]
) -> Handle:
    id = chosen.get("id") or f"{entry.name}-{uuid.uuid4()}"
    try:
        return await client.start_activity(
            entry.type,
            args=wire.raws(args),
            id=id,
            task_queue=queue,
            result_type=RawValue,
            schedule_to_close_timeout=sdk_options.span(chosen, "schedule_to_close_timeout"),
            schedule_to_start_timeout=sdk_options.span(chosen, "schedule_to_start_timeout"),
            start_to_close_timeout=_attempt(chosen),
            heartbeat_timeout=sdk_options.span(chosen, "heartbeat_timeout"),
            retry_policy=sdk_options.retry_policy(chosen),
            summary=chosen.get("summary"),
            priority=sdk_options.priority(chosen),
            rpc_timeout=rpc.TIMEOUT,
        )
    except ActivityAlreadyStartedError:
        raise errors.already_exists(f'activity "{id}" already started', activity_id=id) from None
    except RPCError as error:
        if error.status == RPCStatusCode.UNIMPLEMENTED:
            raise invalid(
                f"{entry.id}: this Temporal server runs activities for workflows only: call it from a workflow"
            ) from None
        raise
