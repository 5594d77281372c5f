"""Who follows the streams of a run: which events are wanted, and the subscription of a script."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from runtime.contracts import EventFeed, RunEvent
from runtime.errors import Error, canceled, internal
from runtime.late import late
from runtime.modules.stream.record import RESTARTED, STREAM

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = late("asyncio")

_log = logging.getLogger("evermoon.stream")

Filter = Callable[[RunEvent], bool]
#: What those hear, too, who want streams only: that it is over, or begins from the beginning.
_ALWAYS = frozenset({"reset", "completed", "failed", "canceled", "terminated", "timed_out"})
_STREAMS = frozenset({STREAM, RESTARTED})
#: Events that are read before the script asks for them, which is also how many it is given at once.
_AHEAD = 32


def wanted(names: Collection[str], *, only_streams: bool) -> Filter:
    """`names`: of streams; without any of them all."""

    def wants(event: RunEvent) -> bool:
        if event.name in _STREAMS:
            return not names or event.data["name"] in names
        return not only_streams or event.name in _ALWAYS

    return wants


class StreamSubscription:
    """The events of a run for one script, read no faster than it takes them."""

    def __init__(self, run: str, feed: AbstractAsyncContextManager[EventFeed], wants: Filter) -> None:
        self._run, self._feed, self._wants = run, feed, wants
        self._events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(_AHEAD)
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_over = False
        self._task = asyncio.create_task(self._read(), name=f"subscription to {run}")

    async def opened(self) -> None:
        """Raises `Error`, as following the run does."""
        await asyncio.shield(self._opened)

    async def next(self) -> list[dict[str, Any]]:
        """What is there, at least one event; waits for it. Raises `Error` CANCELED after the last one."""
        found: list[dict[str, Any]] = []
        while not self._is_over and (not found or not self._events.empty()):
            event = await self._events.get()
            if event is None:
                self._is_over = True
            else:
                found.append(event)
        if not found:
            raise canceled("there are no more events")
        return found

    def close(self) -> None:
        self._task.cancel()

    async def _read(self) -> None:
        try:
            async with self._feed as feed:
                self._opened.set_result(None)
                async for event in feed:
                    if self._wants(event):
                        await self._events.put(_told(event))
        except Error as error:
            self._failed(error)
        except Exception:
            _log.exception("the events of %s cannot be followed", self._run)
            self._failed(internal("the events of the run cannot be followed"))
        await self._events.put(None)

    def _failed(self, error: Error) -> None:
        if self._opened.done():
            _log.warning("a subscription to %s ends before the run: %s", self._run, error)
        else:
            self._opened.set_exception(error)


def _told(event: RunEvent) -> dict[str, Any]:
    return {**({"id": str(event.id)} if event.id is not None else {}), "event": event.name, **event.data}
