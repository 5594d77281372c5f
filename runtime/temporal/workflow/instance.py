"""The workflow instance that the SDK activates: an activation comes in, and a completion goes out.

An activation is a list of jobs: signals, results, a start. They become events of the run in four groups, each carried out before
the next is looked at: patches that history has, then what came from outside, then what was resolved, then queries. That is the
order of the SDK's own instance, under which the histories that exist were recorded.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from temporalio.api.enums.v1 import CommandType
from temporalio.bridge.proto import workflow_activation as activation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import (
    ActivitySerializationContext,
    SerializationContext,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
    WorkflowSerializationContext,
)
from temporalio.worker import WorkflowInstance
from temporalio.workflow import Info

from runtime.errors import NOT_FOUND, UNAVAILABLE, Error
from runtime.lua import protocol
from runtime.temporal import failures, wire
from runtime.temporal.workflow import budget, declared, queries, updates
from runtime.temporal.workflow.completion import ScriptFailed
from runtime.temporal.workflow.environment import BundleUnavailable
from runtime.temporal.workflow.pinning import UnknownWorkflowType, pin
from runtime.temporal.workflow.recorded_choices import questions, refusal_of_input
from runtime.temporal.workflow.run import Run

_log = logging.getLogger(__name__)

_NOBODYS = StorageDriverStoreContext()

#: What fails a task and is no fault of the host: the message says it all.
_KINDS: Mapping[type[Exception], str] = {UnknownWorkflowType: NOT_FOUND, BundleUnavailable: UNAVAILABLE}
_EXPECTED: tuple[type[Exception], ...] = (ScriptFailed, *_KINDS)


class LuaInstance(WorkflowInstance):
    """One run of a Lua workflow in the worker's cache.

    Its activations wait for each other. The SDK means to wait with the eviction of a run that it calls deadlocked until the thread is
    done with it, but on Python 3.11 its wait ends with the timeout; and a run evicted while it runs would be stuck for good.
    """

    def __init__(self, run: Run, tells_whose: bool = True) -> None:
        """`tells_whose`: whether somebody makes a difference by whose a payload is, which the SDK asks several times for each."""
        self._run = run
        self._tells_whose = tells_whose
        self._lock = threading.Lock()
        self._thread: int | None = None

    def activate(self, act: activation.WorkflowActivation) -> WorkflowActivationCompletion:
        """Never raises: what fails the task is in the completion."""
        completion = WorkflowActivationCompletion()
        completion.successful.SetInParent()
        with self._lock:
            self._thread = threading.get_ident()
            try:
                self._activate(act, completion)
            except Exception as error:
                self._fail(completion, error)
            finally:
                self._thread = None
        return completion

    def _activate(self, act: activation.WorkflowActivation, completion: WorkflowActivationCompletion) -> None:
        run = self._run
        groups: tuple[list[Any], ...] = ([], [], [], [])
        start: activation.InitializeWorkflow | None = None
        for job in act.jobs:
            name = job.WhichOneof("variant") or ""
            if name == "remove_from_cache":
                run.evict()
                return
            group, apply = _JOBS[name]
            content = getattr(job, name)
            if name == "initialize_workflow":
                start = content
            groups[group].append((apply, content))
        run.enter(act, completion.successful)
        try:
            for number, jobs in enumerate(groups):
                if number == 1 and (groups[1] or groups[2]):  # the records are known, and it is no query's
                    run.end_when_full()
                for apply, content in jobs:
                    apply(run, content)
                if jobs:
                    if start is not None and not run.has_begun:
                        pinned, args = pin(run), wire.payloads(start.arguments)
                        run.begin(pinned, args, questions(run), refusal_of_input(run, pinned.program, args))
                        budget.watch(run, start)
                    run.turns.run()
        finally:
            run.leave()

    def _fail(self, completion: WorkflowActivationCompletion, error: Exception) -> None:
        info = self._run.info
        text = f"Failed activation on workflow {info.workflow_type} with ID {info.workflow_id} and run ID {info.run_id}"
        if isinstance(error, _EXPECTED):
            _log.warning("%s: %s", text, error)
        else:
            _log.warning("%s", text, exc_info=error)
        failure = completion.failed.failure
        failure.SetInParent()
        try:
            self._run.write_failure(_told(error), failure)
        except Exception as second:
            _log.exception("%s: and its failure cannot be told", text)
            failure.message = f"Failed converting activation exception: {second}"

    # -- what the SDK asks about a run

    def get_info(self) -> Info:
        return self._run.info

    def get_thread_id(self) -> int | None:
        """The thread of the activation under way."""
        return self._thread

    def get_serialization_context(self, command_info: Any) -> SerializationContext | None:
        """Whose payload a codec is given: that of the activity or the run which a command is about, else this run's."""
        if not self._tells_whose:
            return None
        info, pending = self._run.info, self._run.pending
        kind, number = _command(command_info)
        if kind == CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK and number in pending.activities:
            activity = pending.activities[number]
            return ActivitySerializationContext(
                namespace=info.namespace,
                workflow_id=info.workflow_id,
                workflow_type=info.workflow_type,
                activity_type=activity.type,
                activity_id=activity.id,
                activity_task_queue=activity.queue or info.task_queue,
                is_local=activity.is_local,
            )
        target, _ = self._target(kind, number)
        return WorkflowSerializationContext(namespace=info.namespace, workflow_id=target or info.workflow_id)

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        """Whose payload a store keeps: that of the run which a command is for, the parent's where it is the result, else this run's."""
        if not self._tells_whose:
            return _NOBODYS
        info = self._run.info
        kind, number = _command(command_info)
        target, type = self._target(kind, number)
        owner = StorageDriverWorkflowInfo(
            id=info.workflow_id, run_id=info.run_id, type=info.workflow_type, namespace=info.namespace
        )
        if target is not None:
            owner = StorageDriverWorkflowInfo(id=target, type=type, namespace=info.namespace)
        elif (
            kind == CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION
            and info.parent is not None
            and info.continued_run_id is None
        ):
            parent = info.parent
            owner = StorageDriverWorkflowInfo(id=parent.workflow_id, run_id=parent.run_id, namespace=parent.namespace)
        return StorageDriverStoreContext(target=owner)

    def _target(self, kind: int | None, number: int) -> tuple[str | None, str | None]:
        """Id and type, as far as they are known, of the other run that a command is for."""
        pending = self._run.pending
        if kind == CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION and number in pending.children:
            return pending.children[number].id, pending.children[number].type
        if kind == CommandType.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION and number in pending.signals:
            return pending.signals[number].workflow_id, None
        return None, None


def _command(info: Any) -> tuple[int | None, int]:
    return (None, 0) if info is None else (info.command_type, info.command_seq)


def _told(error: Exception) -> Exception:
    """With its kind, where it has one."""
    if isinstance(error, ScriptFailed):
        return failures.to_failure(error.error)
    kind = next((kind for type, kind in _KINDS.items() if isinstance(error, type)), None)
    return error if kind is None else failures.to_failure(Error(kind, str(error), retryable=True))


# Jobs -------------------------------------------------------------------------------------------------------------------


def _patch(run: Run, job: activation.NotifyHasPatch) -> None:
    run.notice_patch(job.patch_id)


def _signal(run: Run, job: activation.SignalWorkflow) -> None:
    run.turns.soon(_receive, run, job)


def _receive(run: Run, job: activation.SignalWorkflow) -> None:
    name, args, sender = job.signal_name, wire.payloads(job.input), wire.sender_of(job.headers)
    if name == wire.PROCESS_ENDED:
        event = wire.ended(args, sender)
        if event is not None:
            run.post(event)
        return
    declared.warn(run, name, args)
    run.post(protocol.message(name, sender, args, run.now))


def _update(run: Run, job: activation.DoUpdate) -> None:
    run.turns.soon(updates.take, run, job)


def _start(run: Run, _: activation.InitializeWorkflow) -> None:
    run.turns.soon(run.pump)


def _seed(run: Run, job: activation.UpdateRandomSeed) -> None:
    run.seed(job.randomness_seed)


def _cancel(run: Run, job: activation.CancelWorkflow) -> None:
    run.request_cancellation(job.reason)


def _timer(run: Run, job: activation.FireTimer) -> None:
    fire = run.pending.timers.pop(job.seq, None)
    if fire is not None:  # one that was cancelled in this activation is gone
        fire()


def _activity(run: Run, job: activation.ResolveActivity) -> None:
    run.pending.activities.pop(job.seq).resolve(job.result)


def _child_start(run: Run, job: activation.ResolveChildWorkflowExecutionStart) -> None:
    child = run.pending.children[job.seq]
    if not job.HasField("succeeded"):
        del run.pending.children[job.seq]
    child.started(job)


def _child(run: Run, job: activation.ResolveChildWorkflowExecution) -> None:
    run.pending.children.pop(job.seq).ended(job.result)


def _signaled(run: Run, job: activation.ResolveSignalExternalWorkflow) -> None:
    run.pending.signals.pop(job.seq).resolve(job.failure if job.HasField("failure") else None)


def _cancel_requested(run: Run, job: activation.ResolveRequestCancelExternalWorkflow) -> None:
    run.pending.cancels.pop(job.seq).resolve(job.failure if job.HasField("failure") else None)


def _never_asked_for(_: Run, job: Any) -> None:
    raise RuntimeError(f"the SDK resolves what no run asks for: {type(job).__name__}")


#: Every job that the SDK's core knows: the group it is carried out in, and by what.
_JOBS: Mapping[str, tuple[int, Callable[[Run, Any], None]]] = {
    "notify_has_patch": (0, _patch),
    "signal_workflow": (1, _signal),
    "do_update": (1, _update),
    "initialize_workflow": (2, _start),
    "update_random_seed": (2, _seed),
    "cancel_workflow": (2, _cancel),
    "fire_timer": (2, _timer),
    "resolve_activity": (2, _activity),
    "resolve_child_workflow_execution_start": (2, _child_start),
    "resolve_child_workflow_execution": (2, _child),
    "resolve_signal_external_workflow": (2, _signaled),
    "resolve_request_cancel_external_workflow": (2, _cancel_requested),
    "resolve_nexus_operation_start": (2, _never_asked_for),
    "resolve_nexus_operation": (2, _never_asked_for),
    "query_workflow": (3, queries.take),
}
