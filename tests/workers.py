"""Workers of a test that end by themselves: whoever waits for what they would do is told at once, not by a time limit."""

from __future__ import annotations

import asyncio
from types import TracebackType


class WorkerEnded(Exception):
    """Its cause is what ended it."""


class Watch:
    """`async with Watch() as watch`: a worker that is given `on_fatal=watch` and ends, ends the block with `WorkerEnded`."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._task: asyncio.Task[None] | None = None

    def __call__(self, error: BaseException) -> None:
        if self.error is None:
            self.error = error
            if self._task is not None:
                self._task.cancel()

    async def __aenter__(self) -> Watch:
        self._task = asyncio.current_task()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, raised: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if self.error is not None and task is not None:
            task.uncancel()
            raise WorkerEnded(f"a worker ended: {self.error!r}") from self.error
