"""The runs of a server as everything outside a workflow sees them: `runtime.contracts.Workflows` on a Temporal client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import RawValue
from temporalio.exceptions import CancelledError, TerminatedError

from runtime import errors
from runtime.contracts import Cursor, End, EventFeed, RunDescription, Started, StartRequest
from runtime.errors import Error
from runtime.lua.program import Programs
from runtime.payload import Payload
from runtime.process.pids import Pid
from runtime.registry import Registry, TemporalWorker
from runtime.temporal import failures, wire
from runtime.temporal.client import describe, listing, rpc
from runtime.temporal.client.clients import Clients
from runtime.temporal.client.interceptor import outgoing
from runtime.temporal.client.start import Starter, check_topic
from runtime.temporal.history.event_stream import EventStreams
from runtime.temporal.serving import unserved

Handle = WorkflowHandle[Any, RawValue]

#: How many runs are looked into at the same time.
_AT_ONCE = 16


class Runs:
    """The `Workflows` of the registry's clients. `run` is a workflow id, or the PID of a run; either means the latest run of that id.

    Every method raises `Error` and nothing else: NOT_FOUND for an unknown run, UNAVAILABLE when the server does not answer.
    """

    def __init__(self, registry: Registry, clients: Clients, programs: Programs | None = None) -> None:
        self._registry = registry
        self._clients = clients
        self._starter = Starter(registry, clients, programs)
        self._feeds = EventStreams()

    def use(self, registry: Registry, programs: Programs | None) -> None:
        """From now on starts and answers are of these."""
        self._registry = registry
        self._starter = Starter(registry, self._clients, programs)

    async def start(self, request: StartRequest) -> Started:
        return await self._starter.start(request)

    async def signal(self, run: str, topic: str, args: Sequence[Payload], sender: str = "") -> None:
        check_topic(topic)
        wire.check_size(f'message "{topic}"', args, self._clients.travel(self._client_id(run)).threshold)
        handle = await self._handle(run)
        with rpc.mapped(run), outgoing(wire.headers(sender=sender)):
            await handle.signal(topic, args=wire.raws(args), rpc_timeout=rpc.TIMEOUT)

    async def tell_end(self, run: str, kind: str, pid: str, end: End) -> None:
        handle = await self._handle(run)
        with rpc.mapped(run), outgoing(wire.headers(sender=pid)):
            await handle.signal(wire.PROCESS_ENDED, args=wire.raws(wire.end(kind, end)), rpc_timeout=rpc.TIMEOUT)

    async def query(self, run: str, name: str, args: Sequence[Payload]) -> Payload:
        handle = await self._handle(run)
        with rpc.mapped(run), outgoing({wire.WHOLE_ERRORS: wire.header(True)}):
            raw = await handle.query(name, args=wire.raws(args), result_type=RawValue, rpc_timeout=rpc.TIMEOUT)
        return wire.answer(raw)

    async def update(self, run: str, name: str, args: Sequence[Payload]) -> Payload:
        handle = await self._handle(run)
        with rpc.mapped(run):
            return wire.unraw(await handle.execute_update(name, args=wire.raws(args), result_type=RawValue))

    async def result(self, run: str, timeout: float | None = None) -> Payload:
        """Waits for the run, through continue-as-new; seconds. TIMEOUT with `details.waiting` when it still runs."""
        handle = await self._handle(run)
        with rpc.mapped(run):
            try:
                async with asyncio.timeout(timeout):
                    return wire.unraw(await handle.result())
            except TimeoutError:
                message = f"workflow {handle.id} still runs"
                raise errors.timed_out(message, waiting=True) from None
            except WorkflowFailureError as failure:
                raise _ended(failure, handle.id) from None

    async def cancel(self, run: str, reason: str = "") -> None:
        """The server takes the cancellation of a run that has ended, without a word: so it is asked first."""
        handle = await self._handle(run)
        with rpc.mapped(run):
            if (await handle.describe(rpc_timeout=rpc.TIMEOUT)).close_time is not None:
                raise rpc.not_found(run)
            await handle.cancel(reason=reason, rpc_timeout=rpc.TIMEOUT)

    async def terminate(self, run: str, reason: str = "") -> None:
        handle = await self._handle(run)
        with rpc.mapped(run):
            await handle.terminate(reason=reason or None, rpc_timeout=rpc.TIMEOUT)

    async def describe(self, run: str, *, stack: bool = False, replayed: bool = False) -> RunDescription:
        client, handle = await self._client(run), await self._handle(run)
        with rpc.mapped(run):
            return await describe.describe(self._registry, client, handle, stack=stack, replayed=replayed)

    async def brief(self, run: str) -> RunDescription:
        """What a listing has of a run."""
        handle = await self._handle(run)
        with rpc.mapped(run):
            return await describe.listed(self._registry, await handle.describe(rpc_timeout=rpc.TIMEOUT))

    async def list(self, query: str = "", limit: int = 50) -> AsyncIterator[RunDescription]:
        """Runs as a visibility query finds them, newest first; without pending activities, details and stacks."""
        client = await self._clients.get()
        with rpc.mapped():
            for execution in await listing.newest(client, query, limit):
                yield await describe.listed(self._registry, execution)

    async def looked_into(self, runs: Sequence[RunDescription]) -> Sequence[RunDescription]:
        """These runs, the open ones with their state, what is pending and what fails. The server is asked about each, no worker."""
        client, several = await self._clients.get(), asyncio.Semaphore(_AT_ONCE)

        async def look(run: RunDescription) -> RunDescription:
            if run.closed_at is not None:
                return run
            handle: Handle = client.get_workflow_handle(run.id, run_id=run.run_id, result_type=RawValue)
            async with several:
                try:
                    with rpc.mapped(run.id):
                        return await describe.describe(
                            self._registry, client, handle, stack=False, replayed=False, asked=False
                        )
                except Error as error:
                    if error.kind != errors.NOT_FOUND:  # it has been deleted since
                        raise
                    return run

        return await asyncio.gather(*map(look, runs))

    async def unserved(self, run: str) -> str | None:
        """The task queue that the run waits on in vain: no worker polls it."""
        client, handle = await self._client(run), await self._handle(run)
        with rpc.mapped(run):
            queue = (await handle.describe(rpc_timeout=rpc.TIMEOUT)).task_queue
            return None if await describe.pollers(client, queue) else queue

    async def unserved_start(self, entry: str, worker: str | None, *, deployed: bool) -> str | None:
        """Why a run of `entry` would wait in vain, or be taken up by another registry; `deployed` as `Serving` takes it."""
        workflow, place = self._starter.place(entry, worker)
        client = await self._clients.get(place.client)
        with rpc.mapped():
            pollers = await describe.pollers(client, place.queue)
        return unserved(workflow, place.queue, pollers, deployed=deployed)

    async def count(self, query: str = "") -> int:
        """How many runs a visibility query finds; of very many, about how many."""
        client = await self._clients.get()
        with rpc.mapped():
            return (await client.count_workflows(query or None, rpc_timeout=rpc.TIMEOUT)).count

    async def history(self, run: str) -> dict[str, Any]:
        """The history of the latest run, in the form the Temporal UI exports."""
        handle = await self._handle(run)
        with rpc.mapped(run):
            history = await handle.fetch_history(rpc_timeout=rpc.TIMEOUT)
        return history.to_json_dict()

    @asynccontextmanager
    async def follow(self, run: str, after: Cursor | None = None, *, wait: bool = True) -> AsyncGenerator[EventFeed]:
        """What happens to the run, through continue-as-new, after a cursor; without `wait` only what has happened."""
        client, handle = await self._client(run), await self._handle(run)
        async with self._feeds.open(client, handle.id, after, wait=wait) as feed:
            yield feed

    async def _handle(self, run: str) -> Handle:
        client = await self._client(run)
        pid = Pid.parse(run)
        return client.get_workflow_handle(pid.id if pid is not None else run, result_type=RawValue)

    async def _client(self, run: str) -> Client:
        return await self._clients.get(self._client_id(run))

    def _client_id(self, run: str) -> str | None:
        pid = Pid.parse(run)
        worker = self._registry.get(pid.place) if pid is not None else None
        return worker.client if isinstance(worker, TemporalWorker) else None


def _ended(failure: WorkflowFailureError, run: str) -> Error:
    cause = failure.cause
    if isinstance(cause, CancelledError):
        return errors.canceled("workflow canceled", _workflow_id=run)
    error = failures.from_failure(cause)
    if isinstance(cause, TerminatedError):
        error.details = {"reason": cause.message, "_workflow_id": run}
    return error
