"""Headers in and out, through interceptors: the SDK's own calls take none.

Outgoing headers are put into a context variable around the one SDK call they are for; the interceptor, which the SDK runs
inside that call, takes them from there. Calls made by other code of the same client or worker find the variable empty and
pass untouched, so the interceptors are harmless beside other people's workflows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

import temporalio.client
import temporalio.worker
from temporalio.api.common.v1 import Payload as Proto

Headers = Mapping[str, Proto]

_NONE: Headers = MappingProxyType({})
_outgoing: ContextVar[Headers] = ContextVar("evermoon_outgoing_headers", default=_NONE)
_activity: ContextVar[Headers] = ContextVar("evermoon_activity_headers", default=_NONE)


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
