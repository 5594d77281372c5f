"""The runs of a virtual world as functions and processes in it know them: `process.spawn`, `process.send` and the like."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from runtime.contracts import Cursor, End, EventFeed, RunDescription, RunPage, RunPosition, Started, StartRequest
from runtime.errors import CANCELED, Error, canceled, not_found, timed_out, unavailable
from runtime.lua import protocol
from runtime.payload import Payload
from runtime.principal import Caller
from runtime.process.pids import Pid
from runtime.testing.children import TERMINATED, Outcome, VirtualChild


class Answering(Protocol):
    """A run that can be asked."""

    entry_id: str

    def ask(self, name: str, args: Sequence[Payload]) -> Payload: ...
    def begin_update(self, name: str, args: Sequence[Payload], told: Callable[[Outcome], None]) -> None: ...


class RunWorld(Protocol):
    """The world whose runs they are."""

    @property
    def now(self) -> int: ...
    def named(self, id: str) -> VirtualChild | None: ...
    def answering(self, child: VirtualChild) -> Answering | None: ...
    def stand_in(self, entry_id: str, args: Sequence[Payload], caller: Caller) -> asyncio.Future[Payload] | None:
        """What answers in the place of an entry, if anything does."""
        ...

    def start(self, request: StartRequest) -> tuple[VirtualChild, bool]:
        """The run, begun, and whether it is a new one. Raises the `Error` that refuses it."""
        ...


class VirtualWorkflows:
    """The `runtime.contracts.LinkedWorkflows` of a world."""

    def __init__(self, runs: RunWorld) -> None:
        self._runs = runs

    async def start(self, request: StartRequest) -> Started:
        child, created = self._runs.start(request)
        id = _id(child)
        return Started(id, id, child.pid, created)

    async def signal(self, run: str, topic: str, args: Sequence[Payload], sender: str = "", request: str = "") -> None:
        self._open(run).post(protocol.message(topic, sender, args, self._runs.now))

    async def query(self, run: str, name: str, args: Sequence[Payload]) -> Payload:
        return self._answering(run).ask(name, args)

    async def update(self, run: str, name: str, args: Sequence[Payload]) -> Payload:
        return await _heard(lambda told: self._answering(run).begin_update(name, args, told))

    async def result(self, run: str, timeout: float | None = None) -> Payload:
        child = self._known(run)
        try:
            async with asyncio.timeout(timeout):
                return await _heard(child.when_ended)
        except TimeoutError:
            raise timed_out(f"{run} still runs", waiting=True) from None

    async def cancel(self, run: str, reason: str = "", by: str = "") -> None:
        self._open(run).post(protocol.cancel(reason))

    async def terminate(self, run: str, reason: str = "", by: str = "") -> None:
        self._open(run).ends(canceled(TERMINATED))

    async def describe(self, run: str, *, stack: bool = False, replayed: bool = False) -> RunDescription:
        child = self._known(run)
        answering = self._runs.answering(child)
        status, state = _standing(child.outcome)
        closed = None if child.outcome is None else "closed"
        pid = Pid.parse(child.pid)
        assert pid is not None
        entry = answering.entry_id if answering is not None else ""
        return RunDescription(run, run, child.pid, entry, status, state, pid.place, closed_at=closed)

    async def look(self, runs: Sequence[RunDescription]) -> Sequence[RunDescription]:
        return [await self.describe(run.id) for run in runs]

    async def call_activity(
        self, entry: str, args: Sequence[Payload], caller: Caller, options: Mapping[str, Any]
    ) -> Payload:
        answer = self._runs.stand_in(entry, args, caller)
        if answer is None:
            raise unavailable(f"{entry} runs elsewhere: give the test a mock of it", id=entry)
        return await answer

    def list(self, query: str = "", limit: int = 50) -> AsyncIterator[RunDescription]:
        raise _not_here("list runs")

    async def page(self, query: str, limit: int, token: str = "") -> RunPage:
        raise _not_here("list runs")

    async def count(self, query: str = "") -> int:
        raise _not_here("count runs")

    async def history(self, run: str) -> dict[str, Any]:
        raise _not_here("show a history")

    async def position(self, run: str, run_id: str | None = None) -> RunPosition:
        """A world has no histories."""
        return RunPosition(run, 0)

    def follow(
        self, run: str, after: Cursor | None = None, *, wait: bool = True
    ) -> AbstractAsyncContextManager[EventFeed]:
        raise _not_here("follow a run")

    async def tell_end(self, run: str, kind: str, pid: str, end: End) -> None:
        self._open(run).post(protocol.process_exit(pid, end.at, end.value, end.error, kind))

    def _known(self, run: str) -> VirtualChild:
        child = self._runs.named(run)
        if child is None:
            raise not_found("workflow", run)
        return child

    def _open(self, run: str) -> VirtualChild:
        child = self._known(run)
        if child.outcome is not None:
            raise not_found("workflow", run)
        return child

    def _answering(self, run: str) -> Answering:
        answering = self._runs.answering(self._known(run))
        if answering is None:
            raise unavailable(f"{run} is answered by the test, and has no queries and updates")
        return answering


async def _heard(listen: Callable[[Callable[[Outcome], None]], None]) -> Payload:
    """Waits for what is told to the listener. Raises the `Error` that it is."""
    heard: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def hear(outcome: Outcome) -> None:
        if not heard.done():
            heard.set_result(outcome)

    listen(hear)
    outcome = await heard
    if isinstance(outcome, Error):
        raise outcome
    return outcome


def _standing(outcome: Outcome | None) -> tuple[str, str]:
    if outcome is None:
        return "RUNNING", "in_progress"
    if isinstance(outcome, Payload):
        return "COMPLETED", "completed"
    return ("CANCELED" if outcome.kind == CANCELED else "FAILED"), "failed"


def _id(child: VirtualChild) -> str:
    pid = Pid.parse(child.pid)
    assert pid is not None
    return pid.id


def _not_here(what: str) -> Error:
    return unavailable(f"the virtual host does not {what}", retryable=False)
