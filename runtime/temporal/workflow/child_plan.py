"""A child workflow as a command asks for it, with all that can be refused checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

from temporalio.api.common.v1 import SearchAttributes
from temporalio.api.enums.v1 import WorkflowIdReusePolicy
from temporalio.bridge.proto.child_workflow import ChildWorkflowCancellationType, ParentClosePolicy
from temporalio.common import TypedSearchAttributes, WorkflowIDReusePolicy

from runtime import errors, limits
from runtime.errors import Error, invalid
from runtime.lua.protocol import Command
from runtime.modules.calls import options_of
from runtime.modules.options import workflow_options
from runtime.process.pids import Pid
from runtime.process.task_queues import check_host, unknown_worker
from runtime.registry import LATEST, StartableWorkflow, TemporalWorkflow
from runtime.temporal import budgets, sdk_options, search_attributes, wire
from runtime.temporal.workflow import foreign, recorded_choices
from runtime.temporal.workflow.run import Run


@dataclass(frozen=True, slots=True)
class ChildTarget:
    """The workflow that a child is a run of."""

    id: str
    name: str
    type: str
    bundle: str | None
    worker: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    input_schema: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, run: Run, entry: StartableWorkflow | None, wanted: str) -> ChildTarget:
        """Without an entry this is a replay after it went away: what the child was started with no longer matters."""
        if entry is None:
            type = foreign.type_of(run, wanted, None)
            return cls(wanted, wanted.rpartition(":")[2], type, LATEST, None, options_of(run.calls, wanted, {}))
        own = options_of(run.calls, entry.id, workflow_options(entry.options))
        if isinstance(entry, TemporalWorkflow):
            return cls(entry.id, entry.name, foreign.type_of(run, entry.id, entry), None, foreign.place_of(entry), own)
        kept = None if run.calls is None else run.calls.get(entry.id, {}).get("type", entry.id)
        type = kept or run.host.registry.workflow_type(entry)
        bundle = run.host.bundle(entry.id)
        return cls(entry.id, entry.name, type, bundle, entry.workflow.worker, own, entry.input_schema)


def target_of(run: Run, command: Command) -> ChildTarget:
    wanted = command.data["id"]
    marker = wire.UNKNOWN_MARKER.format(id=wanted, seq=command.seq)

    def unknown() -> bool:
        return run.host.registry.find_startable(wanted) is None

    if run.refused(marker, unknown):
        error = errors.not_deployed("workflow", wanted)
        known = (item.id for item in run.host.registry.entries.values() if isinstance(item, StartableWorkflow))
        error.message = f"workflow {wanted} not found in the registry{run.meant(command.seq, wanted, known)}"
        raise error
    entry = run.host.registry.find_startable(wanted)
    if isinstance(entry, TemporalWorkflow) or run.may_have_been_refused:
        foreign.refuse_unfit(run, entry, command)
    return ChildTarget.of(run, entry, wanted)


def _search_attributes(run: Run, command: Command, values: Mapping[str, Any]) -> TypedSearchAttributes | None:
    """Checked against what the client declares when live; a replay goes by what was decided then."""
    if not values:
        return None
    declared = run.host.attributes
    was = invalid("the search attributes were refused")

    def live() -> None:
        attributes = SearchAttributes()
        search_attributes.put(search_attributes.typed(declared, values) or (), attributes)
        search_attributes.check_size(attributes)

    if run.refused(wire.REFUSED_MARKER.format(op="child", seq=command.seq), lambda: False):
        search_attributes.typed(replace(declared, client=""), values)  # as older histories have the text
        raise was
    recorded_choices.check(run, "child.search", command.seq, live, was)
    try:
        return search_attributes.typed(declared, values)
    except Error:
        return search_attributes.inferred_start(values)


def _delay(run: Run, chosen: Mapping[str, Any]) -> timedelta | None:
    """How long a child is to wait for its start; it then has no run yet that could outlive its parent's."""
    span = sdk_options.span(chosen, "start_delay")
    if span is None or not run.patched(wire.DELAY_MARKER):
        return None
    if chosen.get("parent_close_policy") == "abandon":
        raise invalid(
            'options "workflow.start_delay" and "workflow.parent_close_policy" abandon exclude each other: a child that has '
            "not started ends with its parent",
            option="workflow.start_delay",
        )
    return span


def _check_host(run: Run, command: Command, entry_id: str) -> None:
    host: str = command.data.get("host") or ""
    if host:
        registry = run.host.registry
        recorded_choices.check(
            run, "host", command.seq, lambda: check_host(registry, entry_id, host), unknown_worker(host)
        )


class ChildPlan:
    """A child as it will be started. Everything that can be refused is refused while it is made, before any command is sent."""

    def __init__(self, run: Run, command: Command, entry: ChildTarget) -> None:
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
        budget = budgets.of(chosen)
        self.options = budgets.with_limit(chosen, budget)
        self.delay = _delay(run, chosen)
        self.type = entry.type
        self.args = command.args
        self.id: str = named or f"{entry.name}-{run.uuid4()}"
        self.queue = run.host.queue(chosen.get("task_queue") or host)
        place = self.queue or host
        self.pid = str(Pid(run.host.worker_of(place) if place else run.host.worker_id, self.id))
        self.conflict = sdk_options.conflict(chosen, named=bool(named))
        self.takes_closed_ids = chosen.get("id_reuse_policy", "allow_duplicate") == "allow_duplicate"
        self.replaces = self.conflict == "terminate_existing" and self.takes_closed_ids
        self.at = command.at
        self.placed = command.placed
        self.linked = bool(data.get("link"))
        self.messages = data.get("messages") or []
        self.search = _search_attributes(run, command, chosen.get("search_attributes") or {})
        self.memo = {wire.MEMO_BUNDLE: entry.bundle, **(chosen.get("memo") or {})}
        self.headers = wire.headers(
            context=data.get("ctx") or run.context,
            principal=run.principal.changed_by(data),
            sender=run.pid,
            bundle=entry.bundle,
            depth=run.depth + 1,
        ) | budgets.headers(budget)
        self._check_names(run, command.seq, host)
        self.size = self._checked_size(run, command, entry.id)

    def _check_names(self, run: Run, at: object, host: str | None) -> None:
        for what, name in (
            ("the id of a workflow", self.id),
            ("the type of a workflow", self.type),
            ("task queue", self.queue or host or ""),
        ):
            recorded_choices.check_name(run, what, name, at)
        for message in self.messages:
            recorded_choices.check_name(run, "topic", message["topic"], at)
            recorded_choices.check_size(
                run, f'message "{message["topic"]}"', message.get("args") or [], f"{at}.message"
            )

    def _checked_size(self, run: Run, command: Command, entry_id: str) -> int:
        """Bytes of the command, at most. Raises `Error` INVALID for a memo that is more than Temporal takes, or a sum of all that is."""
        memo = [(name, run.payload_of(value).ByteSize()) for name, value in self.memo.items() if value is not None]
        size = sum(length for _, length in memo)
        if size > limits.MAX_MEMO // 2:
            what = f"the memo of {entry_id}"
            recorded_choices.check(
                run, "memo", command.seq, lambda: limits.check_memo(what, memo), invalid(f"{what} was refused")
            )
        return recorded_choices.request_size(
            run, f"the start of {entry_id}", command.seq, self.args, self.headers, size + limits.MAX_ATTRIBUTES
        )

    def write(self, run: Run, number: int) -> None:
        """Emits the command that starts the child."""
        chosen, emitted = self.options, run.emit()
        start = emitted.start_child_workflow_execution
        start.seq, start.namespace = number, run.info.namespace
        start.workflow_id, start.workflow_type = self.id, self.type
        start.task_queue = self.queue or run.info.task_queue
        wire.put(self.args, start.input)
        wire.put_headers(self.headers, start.headers)
        sdk_options.put_span(start.workflow_execution_timeout, chosen, "execution_timeout")
        sdk_options.put_span(start.workflow_run_timeout, chosen, "run_timeout")
        sdk_options.put_span(start.workflow_task_timeout, chosen, "task_timeout")
        sdk_options.put_retry_policy(start.retry_policy, chosen)
        sdk_options.put_priority(start.priority, chosen)
        start.parent_close_policy = _close_policy(chosen)
        start.workflow_id_reuse_policy = _reuse_policy(self)
        start.cancellation_type = _WAIT if chosen.get("wait_for_cancellation") else _TRY
        start.cron_schedule = chosen.get("cron_schedule", "")
        for name, value in self.memo.items():
            if value is not None:
                start.memo[name].CopyFrom(run.payload_of(value))
        search_attributes.put(self.search or (), start.search_attributes)
        summary, details = chosen.get("summary") or self.at, chosen.get("details")
        if summary:
            emitted.user_metadata.summary.CopyFrom(wire.summary(summary))
        if details:
            emitted.user_metadata.details.CopyFrom(wire.summary(details))


def _close_policy(chosen: Mapping[str, Any]) -> ParentClosePolicy.ValueType:
    policy = sdk_options.PARENT_CLOSE[chosen.get("parent_close_policy", "terminate")]
    return cast("ParentClosePolicy.ValueType", int(policy))


def _reuse_policy(plan: ChildPlan) -> WorkflowIdReusePolicy.ValueType:
    policy = _TERMINATE if plan.replaces else sdk_options.reuse(plan.options)
    return cast("WorkflowIdReusePolicy.ValueType", int(policy))


#: Children know no conflict policy; this reuse policy says the same.
_TERMINATE = WorkflowIDReusePolicy.TERMINATE_IF_RUNNING
_WAIT = ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED
_TRY = ChildWorkflowCancellationType.TRY_CANCEL
