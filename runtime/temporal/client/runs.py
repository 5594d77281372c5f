"""The runs of a server as everything outside a workflow sees them: `runtime.contracts.Workflows` on a Temporal client."""

from __future__ import annotations

import asyncio
import builtins
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    RequestCancelWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
)
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import RawValue
from temporalio.exceptions import CancelledError, TerminatedError, TimeoutError

from runtime import errors, limits
from runtime.contracts import (
    Cursor,
    End,
    EventFeed,
    RunDescription,
    RunFailed,
    RunPage,
    RunPosition,
    Started,
    StartRequest,
)
from runtime.errors import Error
from runtime.lua.program import Programs
from runtime.modules.stream.store import StreamStore
from runtime.payload import Payload
from runtime.principal import Caller
from runtime.process.pids import Pid
from runtime.registry import Registry, TemporalWorker, TemporalWorkflow
from runtime.registry.foreign import check_result
from runtime.temporal import budgets, failures, wire
from runtime.temporal.client import activities, describe, ends, listing, rpc, signals
from runtime.temporal.client.clients import Clients
from runtime.temporal.client.interceptor import outgoing
from runtime.temporal.client.start import Starter, check_topic
from runtime.temporal.client.unserved import pollers
from runtime.temporal.history.event_stream import EventStreams
from runtime.temporal.history.run_chain import Histories
from runtime.temporal.serving import unserved

Handle = WorkflowHandle[Any, RawValue]


#: Of one listing: how many open runs are asked how they are doing, and how many at once. The others stay unknown.
MAX_LOOKS, _LOOKS_AT_ONCE = 200, 16


class Runs:
    """The `Workflows` of the registry's clients. `run` is a workflow id, or the PID of a run; either means the latest run of that id.

    Every method raises `Error` and nothing else: NOT_FOUND for an unknown run, UNAVAILABLE when the server does not answer.
    """

    def __init__(
        self,
        registry: Registry,
        clients: Clients,
        programs: Programs | None = None,
        streams: Callable[[], Awaitable[StreamStore]] | None = None,
    ) -> None:
        """`streams`: the store of what is published to runs; None: nobody does, here."""
        self._registry = registry
        self._clients = clients
        self._starter = Starter(registry, clients, programs)
        self._feeds = EventStreams(streams)

    def use(self, registry: Registry, programs: Programs | None) -> None:
        """From now on starts and answers are of these."""
        self._registry = registry
        self._starter = Starter(registry, self._clients, programs)

    async def start(self, request: StartRequest) -> Started:
        return await self._starter.start(request)

    async def signal(self, run: str, topic: str, args: Sequence[Payload], sender: str = "", request: str = "") -> None:
        check_topic(topic)
        self._check(run, f'message "{topic}"', args)
        handle = await self._handle(run)
        async with self._open(run, handle):
            if request:
                await signals.send(await self._client(run), handle.id, topic, args, sender, request)
                return
            with outgoing(wire.headers(sender=sender)):
                await handle.signal(topic, args=wire.raws(args), rpc_timeout=rpc.TIMEOUT)

    async def tell_end(self, run: str, kind: str, pid: str, end: End) -> None:
        handle = await self._handle(run)
        with rpc.mapped(run), outgoing(wire.headers(sender=pid)):
            await handle.signal(wire.PROCESS_ENDED, args=wire.raws(wire.end(kind, end)), rpc_timeout=rpc.TIMEOUT)

    async def call_activity(
        self, entry: str, args: Sequence[Payload], caller: Caller, options: Mapping[str, Any]
    ) -> Payload:
        return await activities.call(self._registry, self._clients, entry, args, caller, options)

    async def query(self, run: str, name: str, args: Sequence[Payload]) -> Payload:
        self._check(run, f'arguments of query "{name[:80]}"', args)
        handle = await self._handle(run)
        with rpc.mapped(run), outgoing({wire.WHOLE_ERRORS: wire.header(True)}):
            raw = await handle.query(name, args=wire.raws(args), result_type=RawValue, rpc_timeout=rpc.TIMEOUT)
        return wire.answer(raw)

    async def update(self, run: str, name: str, args: Sequence[Payload]) -> Payload:
        limits.check_name("the name of an update", name)
        self._check(run, f'arguments of update "{name[:80]}"', args)
        handle = await self._handle(run)
        async with self._open(run, handle):
            return wire.unraw(await handle.execute_update(name, args=wire.raws(args), result_type=RawValue))

    async def result(self, run: str, timeout: float | None = None) -> Payload:
        """Waits for the run, through continue-as-new; seconds. TIMEOUT with `details.waiting` when it still runs."""
        handle = await self._handle(run)
        with rpc.mapped(run):
            try:
                async with asyncio.timeout(timeout):
                    return await self._judged(handle, wire.unraw(await handle.result()))
            except builtins.TimeoutError:
                message = f"workflow {handle.id} still runs"
                raise errors.timed_out(message, waiting=True) from None
            except WorkflowFailureError as failure:
                raise await self._failed(await self._client(run), handle, failure.cause) from None

    async def _failed(self, client: Client, handle: Handle, cause: BaseException) -> RunFailed:
        """What the SDK does not tell of an end, its history does."""
        run, elsewhere = handle.id, await self._elsewhere(handle) is not None
        error = failures.from_failure(cause, elsewhere=elsewhere)
        if isinstance(cause, CancelledError | TerminatedError | TimeoutError):
            error = await ends.failure(client, run, None) or error
            error.details = {**(error.details or {}), "_workflow_id": run}
        status = next((name for kind, name in _STATUSES.items() if isinstance(cause, kind)), "FAILED")
        if budgets.is_spent(error):  # its own, or that of a child
            status = (await describe.listed(self._registry, await handle.describe(rpc_timeout=rpc.TIMEOUT))).status
        return RunFailed(error, status)

    async def cancel(self, run: str, reason: str = "", by: str = "") -> None:
        """The server takes the cancellation of a run that has ended, without a word: so it is asked first."""
        limits.check_size("the reason", [Payload.of(reason)])
        client, handle = await self._client(run), await self._handle(run)
        request = RequestCancelWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id),
            identity=by or client.identity,
            request_id=str(uuid.uuid4()),
            reason=reason,
        )
        async with self._open(run, handle):
            description = await handle.describe(rpc_timeout=rpc.TIMEOUT)
            if description.close_time is not None:
                raise _has_ended(run, await describe.listed(self._registry, description))
            await client.workflow_service.request_cancel_workflow_execution(request, timeout=rpc.TIMEOUT)

    async def terminate(self, run: str, reason: str = "", by: str = "") -> None:
        limits.check_size("the reason", [Payload.of(reason)])
        client, handle = await self._client(run), await self._handle(run)
        request = TerminateWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id),
            identity=by or client.identity,
            reason=reason,
        )
        async with self._open(run, handle):
            await client.workflow_service.terminate_workflow_execution(request, timeout=rpc.TIMEOUT)

    @asynccontextmanager
    async def _open(self, run: str, handle: Handle) -> AsyncGenerator[None]:
        """Around what only an open run takes: of one that has ended the server says no more than that it does not find it."""
        try:
            with rpc.mapped(run):
                yield
        except Error as error:
            if error.kind != errors.NOT_FOUND or error.details != rpc.not_found(run).details:
                raise
            with rpc.mapped(run):
                description = await handle.describe(rpc_timeout=rpc.TIMEOUT)
            if description.close_time is None:
                raise
            raise _has_ended(run, await describe.listed(self._registry, description)) from None

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
            for execution in (await listing.newest(client, query, limit)).runs:
                yield await describe.listed(self._registry, execution)

    async def page(self, query: str, limit: int, token: str = "") -> RunPage:
        """`limit` of the runs that `list` has, and where to go on."""
        after = listing.Position.read(token) if token else None
        client = await self._clients.get()
        with rpc.mapped():
            found = await listing.newest(client, query, limit + 1, after)
            runs = [await describe.listed(self._registry, execution) for execution in found.runs[:limit]]
        more = listing.Position.of(found.runs[limit - 1]).token if len(found.runs) > limit else ""
        return RunPage(runs, more, found.is_partial)

    async def look(self, runs: Sequence[RunDescription]) -> Sequence[RunDescription]:
        """How the open ones of listed runs are doing now. One that has ended meanwhile is told as it was listed."""
        client = await self._clients.get()
        turn = asyncio.Semaphore(_LOOKS_AT_ONCE)

        async def look(run: RunDescription) -> RunDescription:
            if run.closed_at is not None:
                return run
            async with turn:
                with rpc.mapped(run.id):
                    handle: Handle = client.get_workflow_handle(run.id, run_id=run.run_id)
                    return await describe.look(self._registry, client, handle)

        looked = await asyncio.gather(*map(look, runs[:MAX_LOOKS]), return_exceptions=True)
        found = [new if isinstance(new, RunDescription) else old for new, old in zip(looked, runs, strict=False)]
        return [*found, *runs[MAX_LOOKS:]]

    async def unserved(self, run: str) -> str | None:
        """The task queue that the run waits on in vain: no worker polls it."""
        client, handle = await self._client(run), await self._handle(run)
        with rpc.mapped(run):
            queue = (await handle.describe(rpc_timeout=rpc.TIMEOUT)).task_queue
            return None if await pollers(client, queue) else queue

    async def unserved_start(self, entry: str, worker: str | None, *, deployed: bool) -> str | None:
        """Why a run of `entry` would wait in vain, or be taken up by another registry; `deployed` as `Serving` takes it."""
        workflow, place = self._starter.place(entry, worker)
        client = await self._clients.get(place.client)
        with rpc.mapped():
            polling = await pollers(client, place.queue)
        return unserved(workflow, place.queue, polling, deployed=deployed)

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

    async def position(self, run: str, run_id: str | None = None) -> RunPosition:
        client, handle = await self._client(run), await self._handle(run)
        return await Histories(client, handle.id).position(run_id)

    @asynccontextmanager
    async def follow(self, run: str, after: Cursor | None = None, *, wait: bool = True) -> AsyncGenerator[EventFeed]:
        """What happens to the run, through continue-as-new, after a cursor; without `wait` only what has happened."""
        client, handle = await self._client(run), await self._handle(run)
        async with self._feeds.open(client, handle.id, after, wait=wait) as feed:
            yield feed

    def follow_anew(self) -> None:
        """Whoever follows a run is told to come back: what is published is kept elsewhere from now on."""
        self._feeds.end_all()

    def _check(self, run: str, what: str, args: Sequence[Payload]) -> None:
        """Raises `Error` INVALID for what is sent to a run and the server would refuse."""
        limits.check_size(what, args, self._clients.travel(self._client_id(run)).threshold)

    async def _handle(self, run: str) -> Handle:
        client = await self._client(run)
        pid = Pid.parse(run)
        return client.get_workflow_handle(pid.id if pid is not None else run, result_type=RawValue)

    async def _client(self, run: str) -> Client:
        return await self._clients.get(self._client_id(run))

    def _client_id(self, run: str) -> str | None:
        pid = Pid.parse(run)
        worker = self._registry.get(pid.place) if pid is not None else None
        return worker.client if isinstance(worker, TemporalWorker | TemporalWorkflow) else None

    async def _judged(self, handle: Handle, value: Payload) -> Payload:
        """Raises `Error` INVALID when it is the result of a workflow of elsewhere, and is not what its entry says."""
        entry = await self._elsewhere(handle)
        if entry is not None:
            check_result(entry, value)
        return value

    async def _elsewhere(self, handle: Handle) -> TemporalWorkflow | None:
        """The entry of a run that runs elsewhere. Asks the server only where the registry has any such entry."""
        if not self._registry.of_kind(TemporalWorkflow):
            return None
        described = await handle.describe(rpc_timeout=rpc.TIMEOUT)
        entry = self._registry.find_startable(described.workflow_type)
        return entry if isinstance(entry, TemporalWorkflow) else None


def _has_ended(run: str, described: RunDescription) -> Error:
    """Of what was meant for a run that is over: who sends it may have been too late, and is not to look for a wrong id."""
    told = {"ended": described.status, "closed_at": described.closed_at}
    return errors.not_found("open run", run, described.ended, workflow_id=run, **told)


_STATUSES: dict[type[BaseException], str] = {
    CancelledError: "CANCELED",
    TerminatedError: "TERMINATED",
    TimeoutError: "TIMED_OUT",
}
