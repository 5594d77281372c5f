"""Monitors and links, by which an execution hears of the end of another as an event.

A monitor looks one way, a link both. Of an end without error each watcher gets one EXIT; of any other a linked one gets
LINK_DOWN and one that monitors EXIT, in this order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from runtime.backoff import Backoff
from runtime.contracts import End, LinkedWorkflows
from runtime.errors import NOT_FOUND, RATE_LIMITED, TIMEOUT, UNAVAILABLE, Error, rate_limited
from runtime.lua import protocol
from runtime.process import await_workflow
from runtime.process.execution import Execution
from runtime.process.pids import Pid

_log = logging.getLogger("evermoon.host")

#: How many others one execution may watch.
MAX_WATCHES = 20_000


@dataclass(slots=True)
class Watch:
    monitors: bool = False
    links: bool = False


class WatchPort(Protocol):
    """The part of a host that its watches need: whom they watch, here and on Temporal."""

    @property
    def workflows(self) -> LinkedWorkflows | None: ...
    def find(self, pid: str) -> Execution | None: ...


class Watches:
    """The monitors and links of all executions on a host. They watch executions here, or workflows."""

    def __init__(self, host: WatchPort) -> None:
        self._host = host
        self._watchers: dict[str, dict[str, Watch]] = {}  # by whom they watch
        self._watched: dict[str, set[str]] = {}
        self._followed: dict[str, asyncio.Task[None]] = {}
        self._telling: set[asyncio.Task[None]] = set()

    def refuse_when_full(self, watcher: str, pid: str = "") -> None:
        """Raises `Error` RATE_LIMITED for one that may watch no more, unless it watches `pid` already."""
        watched = self._watched.get(watcher, ())
        if len(watched) >= MAX_WATCHES and pid not in watched:
            raise rate_limited(
                f"{watcher} watches {MAX_WATCHES} others already", retryable=False, pid=watcher, max_watches=MAX_WATCHES
            )

    def monitor(self, watcher: str, pid: str) -> None:
        self._watch(watcher, pid).monitors = True

    def link(self, one: str, other: str) -> None:
        """Nobody is linked with itself."""
        if one != other:
            self._watch(one, other).links = True
            self._watch(other, one).links = True

    def unmonitor(self, watcher: str, pid: str) -> None:
        watch = self._watchers.get(pid, {}).get(watcher)
        if watch is not None:
            watch.monitors = False
            self._drop_unused(watcher, pid, watch)

    def unlink(self, one: str, other: str) -> None:
        for watcher, pid in ((one, other), (other, one)):
            watch = self._watchers.get(pid, {}).get(watcher)
            if watch is not None:
                watch.links = False
                self._drop_unused(watcher, pid, watch)

    def follow(self, pid: str, workflow_id: str) -> None:
        """For the PID of a workflow that is watched: its end comes from Temporal. Once for all who watch it."""
        if pid not in self._followed:
            task = asyncio.create_task(self._follow(pid, workflow_id), name=f"follow {pid}")
            self._followed[pid] = task

    def ended(self, pid: str, end: End) -> None:
        """Tells those who watch it, and forgets what it watched."""
        for watcher, watch in self._watchers.pop(pid, {}).items():
            self._unsee(watcher, pid)
            self.tell(watcher, pid, end, watch)
        for other in self._watched.pop(pid, set()):
            self._drop(pid, other)

    def tell(self, watcher: str, pid: str, end: End, watch: Watch) -> None:
        """Posts what a watch makes of an end."""
        run = self._host.find(watcher)
        if run is not None:
            for kind in _events(end, watch):
                run.post(protocol.process_exit(pid, end.at, end.value, end.error, kind))
            return
        workflow = Pid.parse(watcher)
        if workflow is not None and workflow.node is None and self._host.workflows is not None:
            for kind in _events(end, watch):
                task = asyncio.create_task(self._tell_workflow(workflow.id, kind, pid, end), name=f"tell {watcher}")
                self._telling.add(task)
                task.add_done_callback(self._telling.discard)

    def of(self, pid: str) -> dict[str, Watch]:
        """Whom an execution watches."""
        return {other: self._watchers[other][pid] for other in sorted(self._watched.get(pid, ()))}

    async def close(self, grace: float) -> None:
        """Waits so many seconds until workflows have heard of the ends they are to hear of."""
        for task in self._followed.values():
            task.cancel()
        if self._telling:
            _, late = await asyncio.wait(self._telling, timeout=grace)
            for told in late:
                told.cancel()

    async def _tell_workflow(self, workflow_id: str, kind: str, pid: str, end: End) -> None:
        """A run that has ended meanwhile needs to hear nothing."""
        assert self._host.workflows is not None
        backoff = Backoff(longest=await_workflow.LONGEST_DELAY)
        while True:
            try:
                return await self._host.workflows.tell_end(workflow_id, kind, pid, end)
            except Error as error:
                if error.kind not in (UNAVAILABLE, TIMEOUT, RATE_LIMITED):
                    if error.kind != NOT_FOUND:
                        _log.warning("workflow %s was not told of the end of %s: %s", workflow_id, pid, error)
                    return None
            await backoff.pause()

    async def _follow(self, pid: str, workflow_id: str) -> None:
        workflows = self._host.workflows
        assert workflows is not None
        end = await await_workflow.end_of(workflows, workflow_id)
        self._followed.pop(pid, None)
        self.ended(pid, end)

    def _watch(self, watcher: str, pid: str) -> Watch:
        self._watched.setdefault(watcher, set()).add(pid)
        return self._watchers.setdefault(pid, {}).setdefault(watcher, Watch())

    def _drop_unused(self, watcher: str, pid: str, watch: Watch) -> None:
        if not watch.monitors and not watch.links:
            self._unsee(watcher, pid)
            self._drop(watcher, pid)

    def _unsee(self, watcher: str, pid: str) -> None:
        watched = self._watched.get(watcher)
        if watched is not None:
            watched.discard(pid)
            if not watched:
                del self._watched[watcher]

    def _drop(self, watcher: str, pid: str) -> None:
        watchers = self._watchers.get(pid)
        if watchers is None:
            return
        watchers.pop(watcher, None)
        if not watchers:
            del self._watchers[pid]
            following_task = self._followed.pop(pid, None)
            if following_task is not None:
                following_task.cancel()


def _events(end: End, watch: Watch) -> Iterator[str]:
    if watch.links and end.error is not None:
        yield protocol.LINK_DOWN
    if watch.monitors or (watch.links and end.error is None):
        yield protocol.EXIT
