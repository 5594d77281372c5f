"""An interceptor that keeps the headers of the running activity, since the SDK gives them to nobody else."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import temporalio.worker

from runtime.temporal.client.interceptor import NONE, ClientInterceptor, Headers

_activity: ContextVar[Headers] = ContextVar("evermoon_activity_headers", default=NONE)


def activity_headers() -> Headers:
    """Headers of the activity that is running."""
    return _activity.get()


class Interceptor(ClientInterceptor, temporalio.worker.Interceptor):
    """The interceptor of clients and workers. Given to a client it serves that client's workers too (the SDK passes it on)."""

    def intercept_activity(
        self, next: temporalio.worker.ActivityInboundInterceptor
    ) -> temporalio.worker.ActivityInboundInterceptor:
        return _ActivityInbound(next)


class _ActivityInbound(temporalio.worker.ActivityInboundInterceptor):
    async def execute_activity(self, input: temporalio.worker.ExecuteActivityInput) -> Any:
        token = _activity.set(input.headers)
        try:
            return await super().execute_activity(input)
        finally:
            _activity.reset(token)
