"""The runs that a visibility query finds, newest first: open and closed alike, by the moment they started."""

from __future__ import annotations

from bisect import insort

from temporalio.client import Client, WorkflowExecution

from runtime.temporal.client import rpc

#: How many runs the server is asked for at a time.
_PAGE = 1000


async def newest(client: Client, query: str, limit: int) -> list[WorkflowExecution]:
    """At most `limit` runs. Raises what the SDK raises; `rpc.mapped` is around it.

    The server lists open runs first, by their start, and then closed ones, by their end: with many old runs open it would
    never come to those that closed. So each sort is asked for. A run starts before it ends: once the closed ones
    ended before the oldest of those found started, the rest of them started before it too.
    """
    found: list[WorkflowExecution] = []
    seen: set[str] = set()
    for status in ("=", "!="):
        asked = " AND ".join([*([f"({query})"] if query else []), f"ExecutionStatus {status} 'Running'"])
        listed = client.list_workflows(asked, page_size=min(limit, _PAGE), rpc_timeout=rpc.TIMEOUT)
        async for run in listed:
            full = len(found) == limit
            if full and (run.close_time or run.start_time) < found[-1].start_time:
                break
            if run.run_id not in seen:  # it may have closed between the two questions
                seen.add(run.run_id)
                insort(found, run, key=_newest_first)
                del found[limit:]
    return found


def of_types(types: list[str], query: str = "") -> str:
    """The query that finds of `query` the runs of these workflow types."""
    names = ", ".join("'{}'".format(name.replace("'", "''")) for name in types)
    return " AND ".join([f"WorkflowType IN ({names})", *([f"({query})"] if query else [])])


def _newest_first(run: WorkflowExecution) -> float:
    return -run.start_time.timestamp()
