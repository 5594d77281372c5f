"""The runs of one workflow id that follow each other, by continue-as-new, retry or cron, as one history."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client

from runtime import errors
from runtime.contracts import RunPosition
from runtime.errors import Error
from runtime.temporal.client import rpc
from runtime.temporal.history.history_events import successor_of
from runtime.temporal.history.live_steps import LiveStep, live_steps
from runtime.temporal.payloads import opened


@dataclass(frozen=True, slots=True)
class Link:
    """A run of the chain; `base` is how many events the runs before it had."""

    run_id: str
    base: int


class Chain(NamedTuple):
    """The runs of a chain, oldest first. `first` is the id of its first run, which `is_cut` says to be gone from the server."""

    first: str
    links: list[Link]
    is_cut: bool = False


class Now(NamedTuple):
    """The latest run, how many events it has so far, and whether it is closed."""

    run_id: str
    length: int
    is_closed: bool


class Histories:
    """A reader of the histories that the server has of a workflow id. Raises `Error` and nothing else: NOT_FOUND, UNAVAILABLE."""

    def __init__(self, client: Client, workflow_id: str) -> None:
        self._client = client
        self.workflow_id = workflow_id

    async def now(self) -> Now:
        handle = self._client.get_workflow_handle(self.workflow_id)
        with rpc.mapped(self.workflow_id):
            described = await handle.describe(rpc_timeout=rpc.TIMEOUT)
        return Now(described.run_id, int(described.history_length), described.close_time is not None)

    async def live_steps(self) -> list[LiveStep]:
        return await live_steps(self._client, self.workflow_id)

    async def position(self, run_id: str | None = None) -> RunPosition:
        """The chain of a run, of the latest without `run_id`, and how many events it has had."""
        handle = self._client.get_workflow_handle(self.workflow_id, run_id=run_id)
        with rpc.mapped(self.workflow_id):
            described = await handle.describe(rpc_timeout=rpc.TIMEOUT)
        first = described.raw_description.workflow_execution_info.first_run_id or described.run_id
        base = 0 if first == described.run_id else await self._base(described.run_id)
        return RunPosition(first, base + int(described.history_length), base)

    async def _base(self, run_id: str) -> int:
        links = (await self.chain(run_id)).links
        return next((link.base for link in links if link.run_id == run_id), 0)

    async def chain(self, latest: str) -> Chain:
        """The runs up to `latest`, and what came after it meanwhile.

        Forwards, which asks one question per run. Backwards where that does not lead to `latest`: when the server
        has forgotten the first run, or one was reset.
        """
        begun = await self._first_event(latest)
        first = begun.workflow_execution_started_event_attributes.first_execution_run_id or latest
        try:
            chain = await self._forwards(first)
        except Error as error:
            if error.kind != errors.NOT_FOUND:
                raise
            chain = []
        if any(link.run_id == latest for link in chain):
            return Chain(first, chain)
        return Chain(first, *await self._backwards(latest, begun))

    async def pages(self, run_id: str, *, wait: bool) -> AsyncIterator[Sequence[HistoryEvent]]:
        """A run's events; with `wait` those to come, too, until it closes."""
        handle = self._client.get_workflow_handle(self.workflow_id, run_id=run_id)
        timeout = rpc.LONG_POLL if wait else rpc.TIMEOUT
        events = handle.fetch_history_events(wait_new_event=wait, rpc_timeout=timeout)
        more = True
        while more:
            with rpc.mapped(self.workflow_id):
                await events.fetch_next_page()
            yield [await opened(event, self._client.data_converter) for event in events.current_page or []]
            more = events.next_page_token is not None

    async def _forwards(self, first: str) -> list[Link]:
        chain = [Link(first, 0)]
        while (end := await self._end(chain[-1].run_id)) and (successor := successor_of(end)):
            chain.append(Link(successor, chain[-1].base + end.event_id))
        return chain

    async def _backwards(self, latest: str, begun: HistoryEvent) -> tuple[list[Link], bool]:
        runs = [latest]
        while previous := begun.workflow_execution_started_event_attributes.continued_execution_run_id:
            try:
                begun = await self._first_event(previous)
            except Error as error:
                if error.kind != errors.NOT_FOUND:
                    raise
                break
            runs.insert(0, previous)
        chain = [Link(runs[0], 0)]
        for run_id in runs[1:]:
            end = await self._end(chain[-1].run_id)
            chain.append(Link(run_id, chain[-1].base + (end.event_id if end else 0)))
        return chain, bool(previous)

    async def _first_event(self, run_id: str) -> HistoryEvent:
        handle = self._client.get_workflow_handle(self.workflow_id, run_id=run_id)
        events = handle.fetch_history_events(page_size=1, rpc_timeout=rpc.TIMEOUT)
        with rpc.mapped(self.workflow_id):
            return await anext(events)

    async def _end(self, run_id: str) -> HistoryEvent | None:
        """The event that closed a run; None for an open one.

        Read backwards, because the filter for closing events waits for one.
        """
        request = GetWorkflowExecutionHistoryReverseRequest(
            namespace=self._client.namespace,
            execution=WorkflowExecution(workflow_id=self.workflow_id, run_id=run_id),
            maximum_page_size=1,
        )
        with rpc.mapped(self.workflow_id):
            service = self._client.workflow_service
            answer = await service.get_workflow_execution_history_reverse(request, retry=True, timeout=rpc.TIMEOUT)
        last: HistoryEvent | None = next(iter(answer.history.events), None)
        return last if last is not None and successor_of(last) is not None else None
