"""Headers in and out, through interceptors: the SDK's own calls take none.

Outgoing headers are put into a context variable around the one SDK call they are for; the interceptor, which the SDK runs
inside that call, takes them from there. Calls made by other code of the same client or worker find the variable empty and
pass untouched, so the interceptors are harmless beside other people's workflows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from itertools import count
from types import MappingProxyType
from typing import Any, NoReturn

import temporalio.client
import temporalio.worker
from temporalio import workflow
from temporalio.api.common.v1 import Payload as Proto

from runtime.temporal import wire

Headers = Mapping[str, Proto]

_NONE: Headers = MappingProxyType({})
_outgoing: ContextVar[Headers] = ContextVar("evermoon_outgoing_headers", default=_NONE)
_activity: ContextVar[Headers] = ContextVar("evermoon_activity_headers", default=_NONE)
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


@contextmanager
def outgoing(headers: Headers) -> Iterator[None]:
    """SDK calls made inside send these headers."""
    token = _outgoing.set(headers)
    try:
        yield
    finally:
        # A run that is dropped while it waits here is closed in a context of somebody else's, where nothing was set.
        with suppress(ValueError):
            _outgoing.reset(token)


def activity_headers() -> Headers:
    """Headers of the activity that is running."""
    return _activity.get()


def signal_sender() -> str:
    """PID of who sent the signal or update that is being handled, "" when it does not say."""
    return _sender.get()


def wants_whole_errors() -> bool:
    """Whether who asks the query that is being answered takes an error as an answer."""
    return _whole_errors.get()


def _merged(input: Any) -> None:
    headers = _outgoing.get()
    if headers:
        input.headers = {**input.headers, **headers}


class Interceptor(temporalio.client.Interceptor, temporalio.worker.Interceptor):
    """Both halves. Given to a client it serves that client's workers too (the SDK passes it on)."""

    def intercept_client(self, next: temporalio.client.OutboundInterceptor) -> temporalio.client.OutboundInterceptor:
        return _ClientOutbound(next)

    def intercept_activity(
        self, next: temporalio.worker.ActivityInboundInterceptor
    ) -> temporalio.worker.ActivityInboundInterceptor:
        return _ActivityInbound(next)

    def workflow_interceptor_class(
        self, input: temporalio.worker.WorkflowInterceptorClassInput
    ) -> type[temporalio.worker.WorkflowInboundInterceptor]:
        return _WorkflowInbound


class _ClientOutbound(temporalio.client.OutboundInterceptor):
    async def start_workflow(
        self, input: temporalio.client.StartWorkflowInput
    ) -> temporalio.client.WorkflowHandle[Any, Any]:
        _merged(input)
        return await super().start_workflow(input)

    async def signal_workflow(self, input: temporalio.client.SignalWorkflowInput) -> None:
        _merged(input)
        await super().signal_workflow(input)

    async def query_workflow(self, input: temporalio.client.QueryWorkflowInput) -> Any:
        _merged(input)
        return await super().query_workflow(input)

    async def start_workflow_update(
        self, input: temporalio.client.StartWorkflowUpdateInput
    ) -> temporalio.client.WorkflowUpdateHandle[Any]:
        _merged(input)
        return await super().start_workflow_update(input)


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
        _merged(input)
        super().continue_as_new(input)

    def start_activity(self, input: temporalio.worker.StartActivityInput) -> workflow.ActivityHandle[Any]:
        _merged(input)
        input.disable_eager_execution = input.disable_eager_execution or _lazy.get()
        if input.activity_id is None and input.activity.startswith(wire.SYSTEM):
            input.activity_id = f"{wire.SYSTEM}{next(self._system)}"
        return super().start_activity(input)

    def start_local_activity(self, input: temporalio.worker.StartLocalActivityInput) -> workflow.ActivityHandle[Any]:
        _merged(input)
        return super().start_local_activity(input)

    async def start_child_workflow(
        self, input: temporalio.worker.StartChildWorkflowInput
    ) -> workflow.ChildWorkflowHandle[Any, Any]:
        _merged(input)
        return await super().start_child_workflow(input)

    async def signal_external_workflow(self, input: temporalio.worker.SignalExternalWorkflowInput) -> None:
        _merged(input)
        await super().signal_external_workflow(input)
