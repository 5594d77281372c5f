"""`workflow.start_delay` of a child. Temporal's command for children has no such field, so the run waits on a timer of its own.

Meanwhile the child has a PID and no run: what is done to it is done here. As with Temporal's own delay, a message ends it.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from runtime import errors
from runtime.errors import Error
from runtime.temporal.run import Run


class Delay:
    """Of one child, by its workflow id in `Run.delays` until it has started, or will not.

    What is for the child waits for `started`, which then says which of these it was.
    """

    def __init__(self) -> None:
        self.started: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._over: asyncio.Future[Error | None] = asyncio.get_running_loop().create_future()

    async def wait(self, span: timedelta, at: str | None) -> Error | None:
        """Until the child is to start; the error when it is not to."""
        timer: asyncio.Future[Any] = asyncio.create_task(workflow.sleep(span, summary=at), name="start delay")
        either: list[asyncio.Future[Any]] = [timer, self._over]
        try:
            await workflow.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
        if not self._over.done():
            self._over.set_result(None)
        return self._over.result()

    async def passed(self) -> None:
        """Returns when the child has started. Raises ApplicationError when it never will."""
        await workflow.wait([self.started])
        if not self.started.result():
            raise ApplicationError("the child was not started", type=errors.NOT_FOUND)

    def skip(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    def give_up(self, why: str) -> bool:
        """Whether it was not too late."""
        if self._over.done():
            return False
        self._over.set_result(Error(errors.CANCELED, why, retryable=False))
        return True


def give_up(run: Run, workflow_id: str, why: str) -> bool:
    """Whether that was a child that had not started, which now never will."""
    delay = run.delays.get(workflow_id)
    return delay is not None and delay.give_up(why)
