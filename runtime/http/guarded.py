"""The runs as far as a scope allows: what the API of runs does for a request that has a scope."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

from runtime.contracts import Cursor, EventFeed, RunDescription, RunPage, RunPosition, Started, StartRequest, Workflows
from runtime.errors import Error
from runtime.modules.security.rules import denied, is_allowed
from runtime.payload import Payload
from runtime.principal import Principal
from runtime.process.authorization import READ, of_pid
from runtime.registry import Registry

#: What only the API asks; the rest is asked of scripts as well.
UPDATE = "process.update"


class Refusal(Error):
    """The error of a scope that refuses, as opposed to that of a script which refuses something."""


#: Runs that are looked at for a count.
_COUNTED = 10_000


class Guarded:
    """A `Workflows` that asks the principal's scope first. Raises `Error` PERMISSION_DENIED for what that does not allow."""

    def __init__(self, workflows: Workflows, registry: Registry, principal: Principal) -> None:
        self._workflows = workflows
        self._registry = registry
        self._principal = principal

    async def start(self, request: StartRequest) -> Started:
        self._ask("process.spawn", request.entry)
        return await self._workflows.start(request)

    async def signal(self, run: str, topic: str, args: Sequence[Payload], sender: str = "", request: str = "") -> None:
        self._ask("process.send", run, topic=topic)
        await self._workflows.signal(run, topic, args, sender, request)

    async def query(self, run: str, name: str, args: Sequence[Payload]) -> Payload:
        self._ask("process.query", run, name=name)
        return await self._workflows.query(run, name, args)

    async def update(self, run: str, name: str, args: Sequence[Payload]) -> Payload:
        self._ask(UPDATE, run, name=name)
        return await self._workflows.update(run, name, args)

    async def result(self, run: str, timeout: float | None = None) -> Payload:
        self._ask(READ, run)
        return await self._workflows.result(run, timeout)

    async def cancel(self, run: str, reason: str = "", by: str = "") -> None:
        self._ask("process.cancel", run)
        await self._workflows.cancel(run, reason, by)

    async def terminate(self, run: str, reason: str = "", by: str = "") -> None:
        self._ask("process.terminate", run)
        await self._workflows.terminate(run, reason, by)

    async def describe(self, run: str, *, stack: bool = False, replayed: bool = False) -> RunDescription:
        self._ask(READ, run)
        return await self._workflows.describe(run, stack=stack, replayed=replayed)

    async def list(self, query: str = "", limit: int = 50) -> AsyncIterator[RunDescription]:
        """Those of the runs found that may be read, so perhaps fewer than there are."""
        async for run in self._workflows.list(query, limit):
            if is_allowed(self._registry, self._principal, READ, run.id):
                yield run

    async def page(self, query: str, limit: int, token: str = "") -> RunPage:
        """Those of the page that may be read, so perhaps fewer than `limit`, or none, where there are more."""
        found = await self._workflows.page(query, limit, token)
        runs = [run for run in found.runs if is_allowed(self._registry, self._principal, READ, run.id)]
        return replace(found, runs=runs)

    async def look(self, runs: Sequence[RunDescription]) -> Sequence[RunDescription]:
        return await self._workflows.look(runs)

    async def count(self, query: str = "") -> int:
        """How many of the runs found may be read, as far as they are looked at: what a scope hides is not counted."""
        return sum([1 async for _ in self.list(query, _COUNTED)])

    async def history(self, run: str) -> dict[str, Any]:
        self._ask(READ, run)
        return await self._workflows.history(run)

    async def position(self, run: str, run_id: str | None = None) -> RunPosition:
        self._ask(READ, run)
        return await self._workflows.position(run, run_id)

    def follow(
        self, run: str, after: Cursor | None = None, *, wait: bool = True
    ) -> AbstractAsyncContextManager[EventFeed]:
        self._ask(READ, run)
        return self._workflows.follow(run, after, wait=wait)

    def _ask(self, action: str, run: str, **meta: str) -> None:
        if not is_allowed(self._registry, self._principal, action, *of_pid(run), meta=meta):
            error = denied(self._principal, action, of_pid(run)[0])
            raise Refusal(error.kind, error.message, retryable=False, details=error.details)
