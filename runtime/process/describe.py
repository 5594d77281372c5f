"""The descriptions of a host's executions, as the runs API and the command line show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from runtime.process.execution import Execution
from runtime.process.lua_run import LuaRun
from runtime.process.names import Names
from runtime.process.watches import Watches


@dataclass(frozen=True, slots=True)
class ProcessDescription:
    """The description of one process, or of one function that runs (`host` is None). `started_at` is RFC 3339 text; `sender` who started it, or "".

    `waiting` counts events that it has not been given yet; `watches` items: {pid, monitors, links}.
    `stack`: [{coroutine, waiting_for, frames: ["file:line in name", ...]}], only when asked for.
    """

    id: str
    pid: str
    entry: str
    host: str | None
    sender: str
    names: Sequence[str]
    started_at: str
    waiting: int = 0
    watches: Sequence[Mapping[str, Any]] = ()
    stack: Sequence[Mapping[str, Any]] = ()
    status: str = "RUNNING"
    state: str = "in_progress"


async def describe(run: Execution, names: Names, watches: Watches, *, stack: bool) -> ProcessDescription:
    return ProcessDescription(
        id=run.pid,
        pid=run.pid,
        entry=run.call.entry.id,
        host=run.call.host,
        sender=run.call.caller.sender,
        names=names.of(run.pid),
        started_at=datetime.fromtimestamp(run.started_at / 1e9, UTC).isoformat().replace("+00:00", "Z"),
        waiting=run.waiting if isinstance(run, LuaRun) else 0,
        watches=[
            {"pid": pid, "monitors": watch.monitors, "links": watch.links} for pid, watch in watches.of(run.pid).items()
        ],
        stack=await run.stack() if stack and isinstance(run, LuaRun) else [],
    )
