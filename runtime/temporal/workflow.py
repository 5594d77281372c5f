"""The one workflow class that hosts every Lua type.

Dynamic, so a new workflow type needs no new worker; outside the SDK's Python sandbox, because the Lua sandbox is the
sandbox. The SDK instantiates the class, so its surroundings reach it as an external function that an interceptor lends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import temporalio.worker
from temporalio import workflow
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.common import RawValue, VersioningBehavior

from runtime.errors import Error
from runtime.lua import protocol
from runtime.temporal import declared, ending, failures, updates, wire
from runtime.temporal.commands.table import HANDLERS
from runtime.temporal.headers import signal_sender, wants_whole_errors
from runtime.temporal.host import WorkflowHost
from runtime.temporal.pinning import pin
from runtime.temporal.run import Run

_HOST = "evermoon_host"
_ABANDON = workflow.HandlerUnfinishedPolicy.ABANDON  # main has returned: every other coroutine ends at once


class Hosting(temporalio.worker.Interceptor):
    """Gives the workflow class of a worker (or replayer) its surroundings. One per worker."""

    def __init__(self, host: WorkflowHost) -> None:
        self._host = host

    def workflow_interceptor_class(
        self, input: temporalio.worker.WorkflowInterceptorClassInput
    ) -> type[temporalio.worker.WorkflowInboundInterceptor] | None:
        input.unsafe_extern_functions[_HOST] = lambda: self._host
        return _Describing


class _Describing(temporalio.worker.WorkflowInboundInterceptor):
    """Completes the SDK's answer to the UI's question what a run can be sent."""

    async def handle_query(self, input: temporalio.worker.HandleQueryInput) -> Any:
        answer = await super().handle_query(input)
        instance = workflow.instance()
        if isinstance(answer, WorkflowMetadata) and isinstance(instance, LuaWorkflow):
            instance.describe(answer)
        return answer


@workflow.defn(dynamic=True, sandboxed=False)
class LuaWorkflow:
    """What goes wrong in the constructor is kept and raised by `run`: the SDK would leave a coroutine behind otherwise."""

    @workflow.init
    def __init__(self, args: Sequence[RawValue]) -> None:
        self._started: Run | None = None
        self._broken: Exception | None = None
        try:
            self._started = _begin(args)
        except Exception as error:
            self._broken = error

    @property
    def _run(self) -> Run:
        if self._started is None or self._broken is not None:
            raise self._broken or RuntimeError("the run has not begun")
        return self._started

    def describe(self, metadata: WorkflowMetadata) -> None:
        """Adds what this run can be sent; one that did not begin takes nothing."""
        if self._started is not None:
            declared.describe(self._started, metadata)

    @workflow.dynamic_config
    def config(self) -> workflow.DynamicWorkflowConfig:
        # anything but UNSPECIFIED is refused by the server when the worker has no deployment version
        return workflow.DynamicWorkflowConfig(versioning_behavior=VersioningBehavior.UNSPECIFIED)

    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> RawValue:
        final = await self._run.pump()
        return await ending.conclude(self._run, final)

    @workflow.signal(dynamic=True, unfinished_policy=_ABANDON)
    def on_signal(self, name: str, args: Sequence[RawValue]) -> None:
        if self._started is None:
            return  # the task fails; the signal comes again with the next attempt
        if name == wire.PROCESS_ENDED:
            event = wire.ended(wire.unraws(args), signal_sender())
            if event is not None:
                self._started.post(event)
            return
        declared.warn(self._started, name, wire.unraws(args))
        self._started.post(protocol.message(name, signal_sender(), wire.unraws(args), workflow.time_ns()))

    @workflow.query(dynamic=True)
    def on_query(self, name: str, args: Sequence[RawValue]) -> RawValue:
        try:
            declared.check(self._run, declared.QUERY, name, wire.unraws(args))
            return wire.raw(self._run.query(name, wire.unraws(args)))
        except Error as error:
            if wants_whole_errors():
                return wire.raw_error(error)
            raise failures.to_failure(error) from None

    @workflow.update(dynamic=True, unfinished_policy=_ABANDON)
    async def on_update(self, name: str, args: Sequence[RawValue]) -> RawValue:
        return await updates.answer(self._run, name, wire.unraws(args))

    @on_update.validator
    def validate_update(self, name: str, args: Sequence[RawValue]) -> None:
        updates.validate(self._run, name, wire.unraws(args))


def _begin(args: Sequence[RawValue]) -> Run:
    host: WorkflowHost = workflow.extern_functions()[_HOST]()
    run = Run(host, pin(host), wire.unraws(args), HANDLERS)
    run.advance()
    return run
