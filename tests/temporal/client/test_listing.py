from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence

import pytest
from temporalio.client import Client

from runtime.temporal.client import listing
from runtime.temporal.client.listing import Position, newest, of_types
from runtime.temporal.dev_server import DevServer
from tests.waiting import eventually


async def started(client: Client, type: str, count: int) -> list[str]:
    """Runs that nobody works on, one after another."""
    ids = []
    for _ in range(count):
        handle = await client.start_workflow(type, id=f"listed-{uuid.uuid4()}", task_queue="nobody-lists")
        ids.append(handle.id)
        await asyncio.sleep(0.002)  # the moments that are sorted by have milliseconds
    return ids


async def _many(client: Client, query: str, count: int) -> bool:
    return len((await newest(client, query, 1000)).runs) >= count


async def found(client: Client, query: str, limit: int, count: int) -> Sequence[str]:
    """Ids in order, once the server knows of `count` runs in all."""
    await eventually(lambda: _many(client, query, count))
    return [run.id for run in (await newest(client, query, limit)).runs]


async def in_pages(client: Client, query: str, limit: int) -> Sequence[str]:
    """All of them, each page from where the one before ended."""
    ids: list[str] = []
    after: Position | None = None
    while page := (await newest(client, query, limit, after)).runs:
        ids += [run.id for run in page]
        after = Position.read(Position.of(page[-1]).token)
    return ids


async def test_more_than_one_listing_looks_at_is_told(
    temporal_server: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await Client.connect(temporal_server.address)
    type = f"listed-{uuid.uuid4()}"
    ids = await started(client, type, 5)
    for id in ids:
        await client.get_workflow_handle(id).terminate()
    query = of_types([type])
    await eventually(
        lambda: client.count_workflows(f"{query} AND ExecutionStatus != 'Running'"), lambda counted: counted.count == 5
    )
    for walk in (4, 5):
        monkeypatch.setattr(listing, "WALK", walk)
        assert (await newest(client, query, 2)).is_partial == (walk < len(ids))
    monkeypatch.setattr(listing, "WALK", 3)
    partial = await newest(client, query, 5)
    assert ([run.id for run in partial.runs], partial.is_partial) == (ids[:1:-1], True)


async def test_closed_runs_are_not_hidden_behind_older_open_ones(temporal_server: DevServer) -> None:
    client = await Client.connect(temporal_server.address)
    type = f"listed-{uuid.uuid4()}"
    early = await started(client, type, 2)
    open = await started(client, type, 4)
    late = await started(client, type, 2)
    newer = await started(client, type, 1)
    for id in [*late, *reversed(early)]:  # those that started first ended last
        await client.get_workflow_handle(id).terminate()
    ids = [*early, *open, *late, *newer]
    query = of_types([type, "it's another"])
    await eventually(lambda: _many(client, f"{query} AND ExecutionStatus != 'Running'", 4))
    for limit in (1, 2, 3, 4, 7, 9, 50):
        assert await found(client, query, limit, len(ids)) == list(reversed(ids))[:limit]
    for limit in (1, 2, 4):
        assert await in_pages(client, query, limit) == list(reversed(ids))
    assert await found(client, of_types([type], "ExecutionStatus = 'Terminated'"), 3, 4) == [*reversed(late), early[1]]
    for id in [*open, *newer]:
        await client.get_workflow_handle(id).terminate()
