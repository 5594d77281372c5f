"""Headers in workers: those that arrive, and the interceptor that puts `sending.outgoing` on what runs and activities send."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from typing import Any, NoReturn

import temporalio.client
import temporalio.worker
from temporalio import workflow

from runtime.temporal import wire
from runtime.temporal.sending import NONE, ClientInterceptor, Headers, merge
from runtime.temporal.sending import outgoing as outgoing

_activity: ContextVar[Headers] = ContextVar("evermoon_activity_headers", default=NONE)
_sender: ContextVar[str] = ContextVar("evermoon_signal_sender", default="")
_whole_errors: ContextVar[bool] = ContextVar("evermoon_whole_errors", default=False)
_lazy: ContextVar[bool] = ContextVar("evermoon_without_eager_execution", default=False)


@contextmanager
def without_eager_execution() -> Iterator[None]:
    """Activities scheduled inside are always handed out by the server, never with the answer to the workflow task."""
    token = _lazy.set(True)
    try:
        yield
    finally:
        _lazy.reset(token)


def activity_headers() -> Headers:
    """Headers of the activity that is running."""
    return _activity.get()


def signal_sender() -> str:
    """PID of who sent the signal or update that is being handled, "" when it does not say."""
    return _sender.get()


def wants_whole_errors() -> bool:
    """Whether who asks the query that is being answered takes an error as an answer."""
    return _whole_errors.get()


class Interceptor(ClientInterceptor, temporalio.worker.Interceptor):
    """Both halves. Given to a client it serves that client's workers too (the SDK passes it on)."""

    def intercept_activity(
        self, next: temporalio.worker.ActivityInboundInterceptor
    ) -> temporalio.worker.ActivityInboundInterceptor:
        return _ActivityInbound(next)

    def workflow_interceptor_class(
        self, input: temporalio.worker.WorkflowInterceptorClassInput
    ) -> type[temporalio.worker.WorkflowInboundInterceptor]:
        return _WorkflowInbound


class _ActivityInbound(temporalio.worker.ActivityInboundInterceptor):
    async def execute_activity(self, input: temporalio.worker.ExecuteActivityInput) -> Any:
        token = _activity.set(input.headers)
        try:
            return await super().execute_activity(input)
        finally:
            _activity.reset(token)


class _WorkflowInbound(temporalio.worker.WorkflowInboundInterceptor):
    def init(self, outbound: temporalio.worker.WorkflowOutboundInterceptor) -> None:
        super().init(_WorkflowOutbound(outbound))

    async def handle_signal(self, input: temporalio.worker.HandleSignalInput) -> None:
        _sender.set(wire.sender_of(input.headers))  # the handler runs in a task, so in a context, of its own
        await super().handle_signal(input)

    async def handle_query(self, input: temporalio.worker.HandleQueryInput) -> Any:
        _whole_errors.set(wire.read_header(input.headers, wire.WHOLE_ERRORS) is True)
        return await super().handle_query(input)

    async def handle_update_handler(self, input: temporalio.worker.HandleUpdateInput) -> Any:
        _sender.set(wire.sender_of(input.headers))
        return await super().handle_update_handler(input)


class _WorkflowOutbound(temporalio.worker.WorkflowOutboundInterceptor):
    """One for each run. Numbers the run's system activities: the SDK's own numbers would meet those of the script's calls, and the
    server refuses an id that is in use, so that the task fails for ever."""

    def __init__(self, next: temporalio.worker.WorkflowOutboundInterceptor) -> None:
        super().__init__(next)
        self._system = count(1)

    def continue_as_new(self, input: temporalio.worker.ContinueAsNewInput) -> NoReturn:
        merge(input)
        super().continue_as_new(input)

    def start_activity(self, input: temporalio.worker.StartActivityInput) -> workflow.ActivityHandle[Any]:
        merge(input)
        input.disable_eager_execution = input.disable_eager_execution or _lazy.get()
        if input.activity_id is None and input.activity.startswith(wire.SYSTEM):
            input.activity_id = f"{wire.SYSTEM}{next(self._system)}"
        return super().start_activity(input)

    def start_local_activity(self, input: temporalio.worker.StartLocalActivityInput) -> workflow.ActivityHandle[Any]:
        merge(input)
        return super().start_local_activity(input)

    async def start_child_workflow(
        self, input: temporalio.worker.StartChildWorkflowInput
    ) -> workflow.ChildWorkflowHandle[Any, Any]:
        merge(input)
        return await super().start_child_workflow(input)

    async def signal_external_workflow(self, input: temporalio.worker.SignalExternalWorkflowInput) -> None:
        merge(input)
        await super().signal_external_workflow(input)
