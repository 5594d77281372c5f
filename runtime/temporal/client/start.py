"""The start of a run: its id, its queue, what happens when a run of that id is open, and the messages it starts with."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from temporalio.api.common.v1 import SearchAttributes
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RawValue
from temporalio.exceptions import WorkflowAlreadyStartedError

from runtime import errors, limits
from runtime.contracts import Message, Started, StartRequest
from runtime.errors import Error, invalid
from runtime.late import late
from runtime.lua.program import Programs
from runtime.modules.options import without_controls, workflow_options
from runtime.payload import Payload
from runtime.process.pids import Pid
from runtime.process.task_queues import check_host, queue_of, worker_of
from runtime.registry import Registry, StartableWorkflow, TemporalWorker, TemporalWorkflow
from runtime.registry.problems import did_you_mean
from runtime.temporal import budgets, sdk_options, search_attributes, wire
from runtime.temporal.client import rpc
from runtime.temporal.client.clients import Clients, declared
from runtime.temporal.client.interceptor import outgoing

if TYPE_CHECKING:
    from runtime.registry import inputs
else:
    inputs = late("runtime.registry.inputs")

Handle = WorkflowHandle[Any, RawValue]

#: A run found open may have closed when its messages arrive; starting again is then right, but not for ever.
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class StartTarget:
    """The place where a run is started. `worker` is the first half of the run's PID."""

    client: str
    queue: str
    worker: str


class Starter:
    def __init__(self, registry: Registry, clients: Clients, programs: Programs | None) -> None:
        self._registry = registry
        self._clients = clients
        self._programs = programs
        self._target = lru_cache(maxsize=256)(partial(_place, registry))

    async def start(self, request: StartRequest) -> Started:
        """See `runtime.contracts.Workflows.start`. Raises `Error`; ALREADY_EXISTS has the ids in its details."""
        plan = _StartPlan(self._registry, self._programs, request, self._clients, self._target)
        client = await self._clients.get(plan.target.client)
        for _ in range(_ATTEMPTS):
            started = await plan.attempt(client)
            if started is not None:
                return started
        raise errors.conflict(f'workflow "{plan.id}" kept closing while its messages were delivered', retryable=True)

    def place(self, name: str, worker: str | None) -> tuple[StartableWorkflow, StartTarget]:
        """The workflow called `name`, and where a start of it goes. Raises `Error` as a start does."""
        entry = workflow_of(self._registry, name)
        queue = workflow_options(entry.options).get("task_queue")
        target = self._target(entry.id, worker, queue)
        return entry, replace(target, queue=queue or target.queue)


def workflow_of(registry: Registry, name: str) -> StartableWorkflow:
    """The workflow of an entry id, or of a type. Raises `Error` NOT_FOUND with what may be meant."""
    entry = registry.find_startable(name)
    if entry is None:
        other = registry.get(name)
        if other is not None:
            raise errors.not_found("workflow", name, f"that is a {other.kind}")
        known = [item.id for item in registry.entries.values() if isinstance(item, StartableWorkflow)]
        hint = did_you_mean(name, known)
        raise errors.not_found("workflow", name, hint)
    return entry


def target(registry: Registry, entry: StartableWorkflow, worker: str | None) -> StartTarget:
    """The queue of the worker that was named, by id or by queue, else of the entry's own, else of the only one there is."""
    workers = registry.of_kind(TemporalWorker)
    if isinstance(entry, TemporalWorkflow):
        if entry.task_queue is not None and worker in (None, "", entry.task_queue):
            return _elsewhere(registry, entry, entry.task_queue)
        name = worker or entry.worker
    else:
        name = worker or entry.workflow.worker or (workers[0].id if len(workers) == 1 else None)
    if name is None:
        raise invalid(f"{entry.id} names no worker: say which one is to run it")
    found = registry.get(worker_of(registry, name))
    if isinstance(found, TemporalWorker):
        return StartTarget(found.client, queue_of(registry, found), found.id)
    if found is not None:
        raise invalid(f"{entry.id}: {name} is a {found.kind}, not a temporal.worker", id=entry.id, host=name)
    return StartTarget(_default_client(registry), name, name)


def _elsewhere(registry: Registry, entry: TemporalWorkflow, queue: str) -> StartTarget:
    """A queue that the entry names itself. Its runs are known by the entry where nothing else leads to their client."""
    default = _default_client(registry)
    client = entry.client or default
    worker = worker_of(registry, queue)
    return StartTarget(client, queue, worker if worker in registry or client == default else entry.id)


def _place(registry: Registry, entry_id: str, worker: str | None, queue: str | None) -> StartTarget:
    """Where a start goes that names this worker, or this queue among its options. Raises `Error` as `check_host` does."""
    entry = registry.resolve(registry[entry_id])
    assert isinstance(entry, StartableWorkflow)
    if worker:
        check_host(registry, entry_id, worker)
    return target(registry, entry, worker or queue)


def _default_client(registry: Registry) -> str:
    return Clients(registry).default


class _StartPlan:
    """A start as it will be sent. Everything that can be refused is refused while it is made."""

    def __init__(
        self,
        registry: Registry,
        programs: Programs | None,
        request: StartRequest,
        clients: Clients,
        target: Callable[[str, str | None, str | None], StartTarget],
    ) -> None:
        entry = workflow_of(registry, request.entry)
        if entry.input_schema is not None:
            inputs.check_args(entry.id, entry.input_schema, request.args)
        entry = registry.resolve(entry)
        if isinstance(entry, TemporalWorkflow):
            programs = None
        self.request = request
        self.options = {**workflow_options(entry.options), **request.options}
        named = self.options.get("id") or request.id
        self.id: str = without_controls(named, "workflow id") if named else f"{entry.name}-{uuid.uuid4()}"
        self.type = registry.workflow_type(entry)
        self.target = target(entry.id, request.worker, self.options.get("task_queue"))
        self.queue = self.options.get("task_queue") or self.target.queue
        self.pid = str(Pid(self.target.worker, self.id))
        self.conflict = sdk_options.conflict(self.options, named=bool(named))
        self.search = search_attributes.typed(
            declared(registry, self.target.client), self.options.get("search_attributes") or {}
        )
        if request.options.get("budget_grace") and not self.options.get("budget"):
            raise invalid(
                "a grace is of a time budget, and the run has none: give it a timeout too", option="budget_grace"
            )
        self.budget = budgets.of(self.options)
        self.options = dict(budgets.with_limit(self.options, self.budget))
        self.bundle = programs.pin(entry.id) if programs is not None else None
        caller = request.caller
        self.headers = wire.headers(
            context=caller.context,
            principal=caller.principal,
            sender=caller.sender,
            bundle=self.bundle,
            depth=caller.depth,
        ) | budgets.headers(self.budget)
        stored = clients.travel(self.target.client).threshold
        limits.check_size(f"arguments of {entry.id}", request.args, stored)
        for message in request.messages:
            check_topic(message.topic)
            limits.check_size(f'message "{message.topic}"', message.args, stored)
        self._check(entry.id, stored)

    def _check(self, entry_id: str, stored: int | None) -> None:
        """Raises `Error` INVALID for names, attributes and a memo that Temporal would refuse, and for a sum that no request holds."""
        limits.check_name("the id of a workflow", self.id)
        limits.check_name("the type of a workflow", self.type)
        limits.check_name("task queue", self.queue)
        attributes = SearchAttributes()
        search_attributes.put(self.search or (), attributes)
        search_attributes.check_size(attributes)
        memo = [(name, len(Payload.of(value).data)) for name, value in (self.options.get("memo") or {}).items()]
        limits.check_memo(f"the memo of {entry_id}", memo)
        first = self.request.messages[0].args if self.request.messages else ()
        size = sum(length for _, length in memo) + sum(header.ByteSize() for header in self.headers.values())
        size += limits.weight([*self.request.args, *first], stored) + attributes.ByteSize()
        limits.check_request(f"the start of {entry_id}", size)

    async def attempt(self, client: Client) -> Started | None:
        """None when the run that was to be used had closed before its messages came, or came only then."""
        messages = list(self.request.messages)
        started: Started | None
        if messages and self.conflict != "fail":
            started = await self._signal_with_start(client, messages.pop(0))
        else:
            started = await self._start(client)
        if started is None:
            return None
        try:
            for message in messages:
                await self._send(client, started, message)
        except Error as error:
            if error.kind == errors.NOT_FOUND and not started.created:
                return None
            raise
        return started

    async def _start(self, client: Client) -> Started:
        """With use_existing the server would not say whether it started anything: so it is asked to refuse."""
        policy = "fail" if self.conflict == "use_existing" else self.conflict
        eager = bool(self.options.get("enable_eager_start"))
        with rpc.mapped(self.id), outgoing(self.headers):
            try:
                handle = await client.start_workflow(**self._arguments(policy), request_eager_start=eager)
            except WorkflowAlreadyStartedError as refusal:
                return await self._existing(client, refusal.run_id)
        return Started(self.id, handle.result_run_id or "", self.pid)

    async def _existing(self, client: Client, run_id: str | None) -> Started:
        """The run that is in the way, when it may be used: a reuse policy also refuses the id of a run that has closed."""
        reuse = self.options.get("id_reuse_policy", "allow_duplicate")
        if self.conflict == "use_existing" and (reuse == "allow_duplicate" or await self._is_open(client)):
            return Started(self.id, run_id or "", self.pid, created=False)
        raise errors.already_exists(f'workflow "{self.id}" already started', workflow_id=self.id, run_id=run_id)

    async def _is_open(self, client: Client) -> bool:
        return (await client.get_workflow_handle(self.id).describe(rpc_timeout=rpc.TIMEOUT)).close_time is None

    async def _signal_with_start(self, client: Client, first: Message) -> Started | None:
        """The run and its first message in one call; a mark in the memo tells whose start it was.

        None when a run that the reuse policy protects was in the way, and by now another is open: it lacks the message.
        """
        mark = uuid.uuid4().hex
        with rpc.mapped(self.id), outgoing(self.headers):
            try:
                handle: Handle = await client.start_workflow(
                    **self._arguments(self.conflict, {wire.MEMO_START: mark}),
                    start_signal=first.topic,
                    start_signal_args=wire.raws(first.args),
                )
            except WorkflowAlreadyStartedError as refusal:
                await self._existing(client, refusal.run_id)
                return None
            run = client.get_workflow_handle(self.id, run_id=handle.result_run_id)
            description = await run.describe(rpc_timeout=rpc.TIMEOUT)
            created = await description.memo_value(wire.MEMO_START, None) == mark
        return Started(self.id, handle.result_run_id or "", self.pid, created=created)

    async def _send(self, client: Client, started: Started, message: Message) -> None:
        with rpc.mapped(self.id), outgoing(wire.headers(sender=self.request.caller.sender)):
            handle = client.get_workflow_handle(self.id, run_id=started.run_id or None)
            await handle.signal(message.topic, args=wire.raws(message.args), rpc_timeout=rpc.TIMEOUT)

    def _arguments(self, policy: str, memo: dict[str, Any] | None = None) -> dict[str, Any]:
        chosen = self.options
        bundle = None if self.bundle is None else RawValue(wire.summary(self.bundle))
        remembered = {wire.MEMO_BUNDLE: bundle, **(chosen.get("memo") or {}), **(memo or {})}
        return {
            "workflow": self.type,
            "args": wire.raws(self.request.args),
            "id": self.id,
            "task_queue": self.queue,
            "result_type": RawValue,
            "execution_timeout": sdk_options.span(chosen, "execution_timeout"),
            "run_timeout": sdk_options.span(chosen, "run_timeout"),
            "task_timeout": sdk_options.span(chosen, "task_timeout"),
            "id_reuse_policy": sdk_options.reuse(chosen),
            "id_conflict_policy": sdk_options.CONFLICT[policy],
            "retry_policy": sdk_options.retry_policy(chosen),
            "cron_schedule": chosen.get("cron_schedule", ""),
            "memo": {key: value for key, value in remembered.items() if value is not None},
            "search_attributes": self.search,
            "start_delay": sdk_options.span(chosen, "start_delay"),
            "static_summary": chosen.get("summary"),
            "static_details": chosen.get("details"),
            "priority": sdk_options.priority(chosen),
            "rpc_timeout": rpc.TIMEOUT,
        }


def check_topic(topic: str) -> None:
    """Raises `Error` INVALID for a topic that no message may have."""
    if not topic or topic.startswith("@"):
        raise invalid(f'invalid topic "{topic}": it may not be empty nor begin with "@"')
    without_controls(topic, "topic")
    limits.check_name("topic", topic)
