"""One execution of a Python function."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.lua.protocol import Event
from runtime.payload import Payload
from runtime.process.concurrency import Permit
from runtime.process.execution import Call, Execution
from runtime.process.execution_context import ExecutionContext, enter
from runtime.process.python_function import PythonFunction


class PythonRun(Execution):
    """An execution of a Python function. It has a PID, by which it is known as a sender, but no mailbox. Cancelling it cancels its coroutine; a synchronous
    function goes on until it looks at `current().activity.is_canceled()`, and is abandoned after the grace."""

    def __init__(self, call: Call, function: PythonFunction, permit: Permit, environ: Mapping[str, str]) -> None:
        super().__init__(call)
        self._function = function
        self._permit = permit
        self._environ = environ

    def post(self, event: Event) -> bool:
        return False

    def cancel(self, reason: str, sender: str = "") -> None:
        if self._function.is_async and self._task is not None:
            self._task.cancel()

    async def execute(self) -> Payload:
        await self._permit.hold()
        try:
            enter(self._current())
            return await self._function.run(self.call.args)
        finally:
            self._permit.give_back()

    def _current(self) -> ExecutionContext:
        call = self.call
        return ExecutionContext(
            entry=call.entry.id,
            pid=call.pid,
            sender=call.caller.sender,
            context=dict(call.caller.context),
            activity=call.trigger.activity,
            request=call.trigger.request,
            response=call.trigger.response,
            message=call.trigger.message,
            environ=self._environ,
            principal=call.caller.principal,
        )
