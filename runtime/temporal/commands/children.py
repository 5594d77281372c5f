"""`spawn` and `exec`: child workflows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, FailureError, WorkflowAlreadyStartedError
from temporalio.workflow import ChildWorkflowCancellationType

from runtime import errors
from runtime.errors import Error, invalid
from runtime.lua import protocol
from runtime.lua.protocol import Command
from runtime.modules.calls import options_of
from runtime.modules.options import workflow_options
from runtime.payload import NOTHING, Payload
from runtime.process.pids import Pid
from runtime.process.workers import check_host
from runtime.registry import LATEST, WorkflowLua
from runtime.temporal import attributes, decisions, failures, options, wire
from runtime.temporal.commands import messages, system
from runtime.temporal.commands.delays import Delay
from runtime.temporal.headers import outgoing
from runtime.temporal.run import Run

Child = workflow.ChildWorkflowHandle[Any, RawValue]
_EXIT, _LINK_DOWN = "pid.exit", "pid.link.down"


def spawn(run: Run, command: Command) -> None:
    """Starts a child; the result is its PID as soon as it has started, and an event follows when it ends."""
    _begin(run, command, _spawned)


def execute(run: Run, command: Command) -> None:
    """Starts a child and waits for its value."""
    _begin(run, command, _executed)


def _begin(run: Run, command: Command, body: Any) -> None:
    entry, seq = _entry(run, command), command.seq
    assert seq is not None
    decisions.check_size(f"arguments of {entry.id}", command.args, run.host.stored, str(seq))
    plan = _Plan(run, command, entry)
    task = run.watch(body(run, seq, plan), f"child {plan.id}")
    run.pending[seq] = task.cancel
    task.add_done_callback(lambda done: _abandoned(run, seq, done))


def _abandoned(run: Run, seq: int, task: asyncio.Task[None]) -> None:
    if task.cancelled() and seq in run.pending:
        run.resolve(seq, Error(errors.CANCELED, "workflow canceled", retryable=False))


@dataclass(frozen=True, slots=True)
class _Target:
    """The workflow that a child is a run of."""

    id: str
    name: str
    type: str
    bundle: str
    worker: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, run: Run, entry: WorkflowLua | None, wanted: str) -> _Target:
        """Without an entry this is a replay after it went away: what the child was started with no longer matters."""
        if entry is None:
            return cls(wanted, wanted.rpartition(":")[2], wanted, LATEST, None, options_of(run.calls, wanted, {}))
        kept = None if run.calls is None else run.calls.get(entry.id, {}).get("type", entry.id)
        type = kept or run.host.registry.workflow_type(entry)
        own = options_of(run.calls, entry.id, workflow_options(entry.options))
        return cls(entry.id, entry.name, type, run.host.bundle(entry.id), entry.workflow.worker, own)


def _entry(run: Run, command: Command) -> _Target:
    wanted = command.data["id"]
    marker = wire.UNKNOWN_MARKER.format(id=wanted, seq=command.seq)

    def unknown() -> bool:
        return run.host.registry.find_workflow(wanted) is None

    if decisions.refused(marker, unknown):
        raise Error(
            errors.NOT_FOUND, f"workflow {wanted} not found in the registry", retryable=True, details={"id": wanted}
        )
    return _Target.of(run, run.host.registry.find_workflow(wanted), wanted)


def _search_attributes(run: Run, command: Command, values: Mapping[str, Any]) -> TypedSearchAttributes | None:
    """Checked against what the client declares when live; a replay goes by what was decided then."""
    found: list[TypedSearchAttributes | None] = []
    problem: list[Error] = []

    def check() -> bool:
        try:
            found[:] = [attributes.typed(run.host.attributes, values)]
        except Error as error:
            problem.append(error)
        return bool(problem)

    if not values:
        return None
    if decisions.refused(wire.REFUSED_MARKER.format(op="child", seq=command.seq), check):
        check()
        raise problem[0] if problem else invalid("the search attributes were refused")
    if not found and check():
        return attributes.inferred_start(values)
    return found[0]


def _delay(chosen: Mapping[str, Any]) -> timedelta | None:
    """How long a child is to wait for its start; it then has no run yet that could outlive its parent's."""
    span = options.span(chosen, "start_delay")
    if span is None or not workflow.patched(wire.DELAY_MARKER):
        return None
    if chosen.get("parent_close_policy") == "abandon":
        raise invalid(
            'options "workflow.start_delay" and "workflow.parent_close_policy" abandon exclude each other: a child that has '
            "not started ends with its parent",
            option="workflow.start_delay",
        )
    return span


def _check_host(run: Run, command: Command, entry_id: str) -> None:
    """As live; a replay goes by what was decided then."""
    problem: list[Error] = []

    def check() -> bool:
        try:
            check_host(run.host.registry, entry_id, host)
        except Error as error:
            problem.append(error)
        return bool(problem)

    host: str = command.data.get("host") or ""
    if host and decisions.refused(wire.REFUSED_MARKER.format(op="host", seq=command.seq), check):
        check()
        text = f"temporal.worker {host} not found"
        raise problem[0] if problem else Error(errors.NOT_FOUND, text, retryable=False, details={"host": host})


class _Plan:
    """A child as it will be started: everything that can be refused is refused here, before any command is sent."""

    def __init__(self, run: Run, command: Command, entry: _Target) -> None:
        data = command.data
        chosen: Mapping[str, Any] = {**entry.options, **data.get("options", {})}
        if chosen.get("namespace") not in (None, run.info.namespace):
            raise invalid(
                f'option "workflow.namespace": a child runs in the namespace of its parent, {run.info.namespace}',
                option="workflow.namespace",
            )
        _check_host(run, command, entry.id)
        host = data.get("host") or entry.worker
        named = chosen.get("id") or data.get("name")
        self.options = chosen
        self.delay = _delay(chosen)
        self.type = entry.type
        self.args = command.args
        self.id: str = named or f"{entry.name}-{workflow.uuid4()}"
        self.queue = run.host.queue(chosen.get("task_queue") or host)
        place = self.queue or host
        self.pid = str(Pid(run.host.worker_of(place) if place else run.host.worker_id, self.id))
        self.conflict = options.conflict(chosen, named=bool(named))
        self.takes_closed_ids = chosen.get("id_reuse_policy", "allow_duplicate") == "allow_duplicate"
        self.replaces = self.conflict == "terminate_existing" and self.takes_closed_ids
        self.at = command.at
        self.linked, self.monitored = bool(data.get("link")), bool(data.get("monitor"))
        self.messages = data.get("messages") or []
        self.search = _search_attributes(run, command, chosen.get("search_attributes") or {})
        self.memo = {wire.MEMO_BUNDLE: entry.bundle, **(chosen.get("memo") or {})}
        self.headers = wire.headers(
            context=data.get("ctx") or run.context,
            principal=run.principal.changed_by(data),
            sender=run.pid,
            bundle=entry.bundle,
        )

    async def start(self) -> Child:
        """Raises WorkflowAlreadyStartedError, or what a cancellation during the start makes of it."""
        chosen = self.options
        wait = chosen.get("wait_for_cancellation")
        with outgoing(self.headers):
            return await workflow.start_child_workflow(
                self.type,
                args=wire.raws(self.args),
                id=self.id,
                task_queue=self.queue,
                result_type=RawValue,
                cancellation_type=_WAIT if wait else _TRY,
                parent_close_policy=options.PARENT_CLOSE[chosen.get("parent_close_policy", "terminate")],
                execution_timeout=options.span(chosen, "execution_timeout"),
                run_timeout=options.span(chosen, "run_timeout"),
                task_timeout=options.span(chosen, "task_timeout"),
                id_reuse_policy=_TERMINATE if self.replaces else options.reuse(chosen),
                retry_policy=options.retry_policy(chosen),
                cron_schedule=chosen.get("cron_schedule", ""),
                memo={key: value for key, value in self.memo.items() if value is not None},
                search_attributes=self.search,
                static_summary=chosen.get("summary") or self.at,
                static_details=chosen.get("details"),
                priority=options.priority(chosen),
            )


async def _start(run: Run, plan: _Plan) -> Child | Error | None:
    """The started child; None when a run of that id is open and is to be used; the error that refused the start."""
    try:
        child = await plan.start()
    except WorkflowAlreadyStartedError:
        if plan.conflict == "use_existing" and (plan.takes_closed_ids or await _is_open(plan.id)):
            return None
        details = {"workflow_id": plan.id, **await _run_id(plan.id)}
        return Error(errors.ALREADY_EXISTS, f'workflow "{plan.id}" already started', retryable=False, details=details)
    except FailureError as failure:
        return failures.from_failure(failure)
    except RuntimeError as failure:  # the SDK's word for a start the server refused for any other reason
        return Error(errors.INVALID, f'workflow "{plan.id}" was not started: {failure}', retryable=False)
    return child


async def _is_open(workflow_id: str) -> bool:
    """Whether what was in the way may be used: a reuse policy also refuses the id of a run that has closed."""
    try:
        await system.find_run(workflow_id, is_open=True)
    except ActivityError:
        return False
    return True


async def _run_id(workflow_id: str) -> dict[str, str]:
    """The run that is in the way. The server's refusal does not name it; a run that is gone by now has no id to tell."""
    try:
        return {"run_id": await system.find_run(workflow_id)}
    except ActivityError:
        return {}


async def _spawned(run: Run, seq: int, plan: _Plan) -> None:
    if plan.delay is not None:  # the PID is known at once; a start that is refused in the end is an end
        run.resolve(seq, Payload.of(plan.pid))
        child = await _start_later(run, plan, plan.delay)
        _announce(run, plan, child if isinstance(child, Error) else await _value(run, plan, child))
        return
    child = await _start(run, plan)
    if isinstance(child, Error):
        run.resolve(seq, child)
        return
    _greet(run, plan)
    run.resolve(seq, Payload.of(plan.pid))
    _announce(run, plan, await _value(run, plan, child))


async def _executed(run: Run, seq: int, plan: _Plan) -> None:
    child = await (_start(run, plan) if plan.delay is None else _start_later(run, plan, plan.delay))
    if isinstance(child, Error):
        run.resolve(seq, child)
        return
    if plan.delay is None:
        _greet(run, plan)
    run.resolve(seq, await _value(run, plan, child))


async def _start_later(run: Run, plan: _Plan, span: timedelta) -> Child | Error | None:
    """As `_start`, after the delay, and with the messages it starts with: what the script sends meanwhile comes after them."""
    if plan.id in run.delays:  # one of that id waits already: who starts first decides, as without a delay
        await workflow.wait([run.delays[plan.id].started])
        child = await _start(run, plan)
        if not isinstance(child, Error):
            _greet(run, plan)
        return child
    delay = run.delays[plan.id] = Delay()
    started = False
    try:
        _greet(run, plan)
        child = await delay.wait(span, plan.at) or await _start(run, plan)
        started = not isinstance(child, Error)
        return child
    finally:
        del run.delays[plan.id]
        delay.started.set_result(started)


def _greet(run: Run, plan: _Plan) -> None:
    for item in plan.messages:
        messages.deliver(run, plan.id, item["topic"], item.get("args") or [])


async def _value(run: Run, plan: _Plan, child: Child | None) -> Payload | Error:
    """How the child ends. One that was open already belongs to somebody else: a system activity waits for it."""
    try:
        if child is None:
            return wire.unraw(await system.await_run(run, plan.id))
        return wire.unraw(await child)
    except FailureError as failure:
        return failures.from_failure(failure)


def _announce(run: Run, plan: _Plan, value: Payload | Error) -> None:
    now = workflow.time_ns()
    error = value if isinstance(value, Error) else None
    if plan.linked and error is not None:
        run.post(protocol.process_exit(plan.pid, now, error=error, kind=_LINK_DOWN))
    payload = NOTHING if isinstance(value, Error) else value
    run.post(protocol.process_exit(plan.pid, now, value=None if error else payload, error=error, kind=_EXIT))


#: Children know no conflict policy; this reuse policy says the same.
_TERMINATE = WorkflowIDReusePolicy.TERMINATE_IF_RUNNING
_WAIT = ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED
_TRY = ChildWorkflowCancellationType.TRY_CANCEL
