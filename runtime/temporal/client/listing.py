"""The runs that a visibility query finds, newest first: open and closed alike, by the moment they started."""

from __future__ import annotations

import base64
import json
from bisect import insort
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.client import Client, WorkflowExecution

from runtime.errors import invalid
from runtime.temporal.client import rpc

#: How many runs the server is asked for at a time.
_PAGE = 1000
#: How many runs of a status one listing looks at, at most.
WALK = 10_000
#: As exactly as every server compares moments.
_MOMENT = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the list: right after this run."""

    started: datetime
    run_id: str

    @classmethod
    def of(cls, run: WorkflowExecution) -> Position:
        return cls(run.start_time.astimezone(UTC), run.run_id)

    @classmethod
    def read(cls, token: str) -> Position:
        """The inverse of `token`. Raises `Error` INVALID."""
        try:
            started, run_id = json.loads(base64.urlsafe_b64decode(token.encode()))
            return cls(datetime.fromisoformat(started).astimezone(UTC), str(run_id))
        except (ValueError, TypeError, OverflowError):
            raise invalid("the page token is none that a list of runs gave") from None

    @property
    def token(self) -> str:
        text = json.dumps([self.started.isoformat(), self.run_id])
        return base64.urlsafe_b64encode(text.encode()).decode()

    @property
    def key(self) -> tuple[float, str]:
        return -self.started.timestamp(), self.run_id

    @property
    def condition(self) -> str:
        """Finds all that comes after, and what started at about the same moment."""
        return f"StartTime < '{(self.started + _MOMENT).isoformat().replace('+00:00', 'Z')}'"


@dataclass(frozen=True, slots=True)
class Listing:
    """`is_partial`: there were more than could be looked at, so that some may be missing."""

    runs: list[WorkflowExecution]
    is_partial: bool = False


async def newest(client: Client, query: str, limit: int, after: Position | None = None) -> Listing:
    """At most `limit` runs. Raises what the SDK raises; `rpc.mapped` is around it.

    The server lists open runs first, by their start, and then closed ones, by their end: with many old runs open it would
    never come to those that closed. So each sort is asked for. A run starts before it ends: once the closed ones
    ended before the oldest of those found started, the rest of them started before it too. At most `WALK` of each are looked at.
    """
    found: list[WorkflowExecution] = []
    seen: set[str] = set()
    is_partial = False
    for status in ("=", "!="):
        given = [*([f"({query})"] if query else []), *([after.condition] if after else [])]
        asked = " AND ".join([*given, f"ExecutionStatus {status} 'Running'"])
        listed = client.list_workflows(asked, page_size=min(limit, _PAGE), rpc_timeout=rpc.TIMEOUT, limit=WALK + 1)
        walked = 0
        async for run in listed:
            walked += 1
            full = len(found) == limit
            if full and (run.close_time or run.start_time) < found[-1].start_time:
                break
            if walked > WALK:
                is_partial = True
                break
            # It may have closed between the two questions.
            if run.run_id not in seen and (after is None or _newest_first(run) > after.key):
                seen.add(run.run_id)
                insort(found, run, key=_newest_first)
                del found[limit:]
    return Listing(found, is_partial)


def of_types(types: list[str], query: str = "") -> str:
    """The query that finds of `query` the runs of these workflow types."""
    names = ", ".join("'{}'".format(name.replace("'", "''")) for name in types)
    return " AND ".join([f"WorkflowType IN ({names})", *([f"({query})"] if query else [])])


def _newest_first(run: WorkflowExecution) -> tuple[float, str]:
    return Position.of(run).key
