"""`temporal.schedule` entries on a real server. Entries have names of their own: tests share a namespace."""

from __future__ import annotations

import asyncio
import logging
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleSpec,
)

from runtime import Error, Runtime
from runtime.errors import CONFLICT, INVALID, NOT_FOUND, UNAVAILABLE
from runtime.registry import Registry
from runtime.temporal.client.clients import Clients
from runtime.temporal.dev_server import DevServer
from runtime.temporal.schedules.operations import Schedules, ScheduleView
from runtime.temporal.schedules.reconciler import ScheduleReconciler
from runtime.temporal.schedules.sync import match
from tests.definitions import worker_entries, write_entries
from tests.waiting import eventually

ECHO = "return function(...) return { input = { ... } } end"
WAIT = "return function() process.listen('go'):receive() return 'done' end"
YEARLY = "0 0 1 1 *"


class Project:
    """A registry directory with a workflow that ends at once and one that waits, and whatever schedules a test wants."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "registry.yaml"
        self.queue = f"test-{uuid.uuid4()}"
        self.name = f"tick-{uuid.uuid4().hex[:8]}"
        self.id = f"t:{self.name}"
        (directory / "echo.lua").write_text(ECHO)
        (directory / "wait.lua").write_text(WAIT)

    def write(self, *schedules: dict[str, Any]) -> Path:
        """Schedules are of `echo`, and named `name`, unless they say otherwise."""
        entries: list[dict[str, Any]] = [
            *worker_entries(self.queue),
            {"name": "echo", "kind": "workflow.lua", "source": "file://echo.lua"},
            {"name": "wait", "kind": "workflow.lua", "source": "file://wait.lua", "modules": ["process"]},
        ]
        common = {"name": self.name, "kind": "temporal.schedule", "workflow": "echo"}
        entries += [{**common, **schedule} for schedule in schedules]
        return write_entries(self.path.parent, entries, "t")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@asynccontextmanager
async def served(project: Project, server: DevServer, *, workers: bool = True) -> AsyncIterator[Runtime]:
    bundles = project.path.parent / "bundles"
    async with Runtime.open(project.path, temporal=server.address, bundles=bundles, workers=workers) as runtime:
        yield runtime


async def described(runtime: Runtime, id: str) -> ScheduleView | None:
    try:
        return await runtime.schedules.describe(id)
    except Error as error:
        if error.kind == UNAVAILABLE:  # the server says so of a schedule that it is about to remove
            return await described(runtime, id)
        if error.kind != NOT_FOUND:
            raise
        return None


async def test_a_schedule_is_created_updated_and_removed_with_its_entry(
    project: Project, temporal_server: DevServer
) -> None:
    project.write({"cron": YEARLY, "overlap": "buffer_one", "catchup_window": "1h"})
    client = await Client.connect(temporal_server.address)
    async with served(project, temporal_server) as runtime:
        view = await runtime.schedules.describe(project.id)
        assert (view.id, view.entry, view.workflow) == (f"evermoon:{project.id}", project.id, "t:echo")
        assert (view.queue, view.declared, view.paused, view.overlap) == (project.queue, True, False, "buffer_one")
        handle = client.get_schedule_handle(view.id)
        made = await handle.describe()
        assert made.schedule.policy.catchup_window == timedelta(hours=1)
        year = datetime.now(UTC).year
        assert view.next[0] == f"{year + 1}-01-01T00:00:00Z"

        project.write({"calendars": [{"month": "mar", "day_of_month": 5, "hour": "6-8/2"}], "time_zone": "Europe/Oslo"})
        await runtime.reload()
        changed = await eventually(handle.describe, lambda found: found.info.last_updated_at is not None)
        assert changed.schedule.policy.catchup_window != timedelta(hours=1)
        [first, second] = changed.info.next_action_times[:2]
        assert [moment.strftime("%m-%d %H:%M") for moment in (first, second)] == ["03-05 05:00", "03-05 07:00"]

        project.write()
        await runtime.reload()
        await eventually(lambda: described(runtime, project.id), lambda found: found is None)
    project.write({"interval": "30m"})
    async with served(project, temporal_server):
        assert (await handle.describe()).schedule.spec.intervals[0].every == timedelta(minutes=30)
    await eventually(handle_listed(client, view.id), bool)
    project.write()
    async with served(project, temporal_server) as runtime:
        assert await described(runtime, project.id) is None, "removed by a host that had never seen the entry"


def handle_listed(client: Client, id: str) -> Callable[[], Awaitable[bool]]:
    async def listed() -> bool:
        return id in [found.id async for found in await client.list_schedules()]

    return listed


async def test_a_triggered_run_completes_with_the_input_of_the_entry(
    project: Project, temporal_server: DevServer
) -> None:
    project.write({"cron": YEARLY, "input": [{"n": 1, "empty": {}}, "two"]})
    async with served(project, temporal_server) as runtime:
        await runtime.schedules.trigger(project.id)
        view = await eventually(lambda: runtime.schedules.describe(project.id), lambda found: found.recent)
        [run] = view.recent
        assert run.startswith(f"{project.id}-")
        assert await runtime.result(run, 60) == {"input": [{"n": 1, "empty": {}}, "two"]}
        bundle = (await runtime.describe(run)).bundle
        assert bundle in runtime.current_bundles, "pinned at its first task"


async def test_an_interval_fires_by_itself(project: Project, temporal_server: DevServer) -> None:
    project.write({"interval": "1s", "input": "tock"})
    async with served(project, temporal_server) as runtime:
        view = await eventually(lambda: runtime.schedules.describe(project.id), lambda found: len(found.recent) >= 2)
        assert await runtime.result(view.recent[0], 60) == {"input": ["tock"]}
        project.write()
        await runtime.reload()
        await eventually(lambda: described(runtime, project.id), lambda found: found is None)


async def test_backfill_starts_what_would_have_been_started(project: Project, temporal_server: DevServer) -> None:
    project.write({"cron": "0 * * * *"})
    async with served(project, temporal_server) as runtime:
        start = datetime(2024, 5, 1, 0, 30, tzinfo=UTC)
        await runtime.schedules.backfill(project.id, start, start + timedelta(hours=3), "allow_all")
        view = await eventually(lambda: runtime.schedules.describe(project.id), lambda found: len(found.recent) == 3)
        moments = sorted(run.removeprefix(f"{project.id}-") for run in view.recent)
        assert moments == ["2024-05-01T01:00:00Z", "2024-05-01T02:00:00Z", "2024-05-01T03:00:00Z"]
        with pytest.raises(Error, match="ends before it begins") as refused:
            await runtime.schedules.backfill(project.id, start, start - timedelta(hours=1))
        assert refused.value.kind == INVALID


async def test_overlap_skips_while_a_run_is_open(project: Project, temporal_server: DevServer) -> None:
    project.write({"cron": YEARLY, "workflow": "wait"})
    async with served(project, temporal_server) as runtime:

        async def look() -> ScheduleView:
            return await runtime.schedules.describe(project.id)

        async def trigger_another() -> ScheduleView:
            await runtime.schedules.trigger(project.id, "allow_all")  # ids are of the second: none in the first one's
            return await look()

        await runtime.schedules.trigger(project.id)
        [run] = (await eventually(look, lambda found: found.running)).running
        await runtime.schedules.trigger(project.id)
        view = await eventually(look, lambda found: found.skipped == 1)
        assert view.actions == 1
        view = await eventually(trigger_another, lambda found: found.actions > 1)
        with pytest.raises(Error, match="no overlap policy"):
            await runtime.schedules.trigger(project.id, "sometimes")
        assert (await runtime.describe(run)).state == "in_progress"


async def test_what_an_operator_paused_stays_paused_until_the_entry_says_something_else(
    project: Project, temporal_server: DevServer
) -> None:
    project.write({"cron": YEARLY})
    async with served(project, temporal_server) as runtime:
        await runtime.schedules.pause(project.id, "holidays")
        view = await runtime.schedules.describe(project.id)
        assert (view.paused, view.note) == (True, "holidays")
    project.write({"cron": "0 0 2 1 *"})
    async with served(project, temporal_server) as runtime:
        view = await runtime.schedules.describe(project.id)
        assert (view.paused, view.note) == (True, "holidays")
        assert view.next[0].endswith("-01-02T00:00:00Z"), "but it is updated"
        await runtime.schedules.resume(project.id)
        assert not (await runtime.schedules.describe(project.id)).paused
    project.write({"cron": "0 0 2 1 *", "paused": True})
    async with served(project, temporal_server) as runtime:
        assert (await runtime.schedules.describe(project.id)).paused
        await runtime.schedules.resume(project.id)
    async with served(project, temporal_server) as runtime:
        assert not (await runtime.schedules.describe(project.id)).paused, "said before, so not said again"


async def test_hosts_that_start_at_once_make_one_schedule_and_write_it_once(
    project: Project, temporal_server: DevServer
) -> None:
    registry = Registry.load(project.write({"interval": "1h"}), environ={})

    async def one() -> list[Error]:
        return await match(registry, Clients(registry, address=temporal_server.address))

    assert await asyncio.gather(*(one() for _ in range(8))) == [[]] * 8
    client = await Client.connect(temporal_server.address)
    found = await client.get_schedule_handle(f"evermoon:{project.id}").describe()
    assert found.info.last_updated_at is None
    assert await one() == []
    gone = Registry.load(project.write(), environ={})
    clients = Clients(gone, address=temporal_server.address)
    assert await asyncio.gather(*(match(gone, clients, [project.id]) for _ in range(8))) == [[]] * 8


async def test_schedules_of_others_are_left_alone(
    project: Project, tmp_path: Path, temporal_server: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = await Client.connect(temporal_server.address)
    action = ScheduleActionStartWorkflow("t:echo", id="theirs", task_queue=project.queue)
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(timedelta(days=30))])
    theirs = await client.create_schedule(f"evermoon:{project.id}", Schedule(action, spec))
    (tmp_path / "other").mkdir()
    other = Project(tmp_path / "other")
    other.write({"cron": YEARLY})
    async with served(other, temporal_server):
        pass
    await eventually(handle_listed(client, f"evermoon:{other.id}"), bool)
    await eventually(handle_listed(client, theirs.id), bool)
    project.write({"cron": YEARLY}, {"cron": YEARLY, "name": other.name})
    with caplog.at_level(logging.ERROR, "evermoon.schedules"):
        async with served(project, temporal_server) as runtime:
            with pytest.raises(Error) as refused:
                await runtime.schedules.pause(project.id)
            assert refused.value.kind == CONFLICT
    said = sorted(record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR)
    assert len(said) == 2
    assert any("somebody else made it" in line and project.id in line for line in said)
    assert any(other.queue in line and other.id in line for line in said)
    project.write()
    async with served(project, temporal_server) as runtime:
        assert (await theirs.describe()).schedule.spec.intervals[0].every == timedelta(days=30)
        view = await runtime.schedules.describe(other.id)
        assert (view.queue, view.declared) == (other.queue, False)
        assert other.id in [item.entry for item in await runtime.schedules.list()]
        await runtime.schedules.delete(other.id)
        assert await described(runtime, other.id) is None
    await theirs.delete()


async def test_a_runtime_without_workers_changes_nothing(project: Project, temporal_server: DevServer) -> None:
    project.write({"cron": YEARLY})
    async with served(project, temporal_server, workers=False) as runtime:
        assert await described(runtime, project.id) is None


async def test_schedules_wait_for_a_server_that_is_not_there_yet(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry.load(project.write({"interval": "1h"}), environ={})
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # not the usual port, which other tests' servers take as soon as it is free
        port: int = probe.getsockname()[1]
    address = f"127.0.0.1:{port}"
    clients = Clients(registry, address=address)
    keeper = ScheduleReconciler(registry, clients)
    with caplog.at_level(logging.WARNING, "evermoon.schedules"):
        keeper.start()
        try:
            await keeper.matched()
            [told] = [record.getMessage() for record in caplog.records]
            assert told.startswith("schedules wait for their server")
            async with DevServer(ui=False, port=port) as server:
                assert server.address == address
                operate = Schedules(registry, clients)

                async def listed() -> list[str]:
                    try:
                        return [view.entry for view in await operate.list()]
                    except Error as error:
                        if error.kind != UNAVAILABLE:
                            raise
                        return []

                assert await eventually(listed, bool) == [project.id]
        finally:
            await keeper.stop()
