"""A run has the code it began with, for ever: through edits, restarts of workers, and stores that lack or spoil a bundle."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
from asyncio.subprocess import PIPE
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleBackfill,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
    WorkflowHandle,
)

from runtime.contracts import Started
from runtime.errors import Error
from runtime.lua.kernel import Kernel, current_kernel
from runtime.lua.program import Programs
from runtime.registry import Bundle, open_store
from runtime.temporal import wire
from runtime.temporal.client.interceptor import outgoing
from runtime.temporal.dev_server import DevServer, find_cli
from runtime.temporal.worker.interceptor import Interceptor
from tests.temporal.stage import Files, Stage, staged
from tests.waiting import eventually

#: What the workflow `main` is, edit by edit: each would break the replay of a run that began under any other.
EDITS = {
    "one": "local a = assert(funcs.call('t:first')) local go = process.listen('go'):receive() return { 'one', a, assert(funcs.call('t:second')) }",
    "extra": "assert(funcs.call('t:extra')) assert(funcs.call('t:first')) process.listen('go'):receive() return { 'extra', assert(funcs.call('t:second')) }",
    "reordered": "assert(funcs.call('t:second')) process.listen('go'):receive() time.sleep('1ms') return { 'reordered', assert(funcs.call('t:first')) }",
    "removed": "process.listen('go'):receive() return { 'removed', assert(lib.word()) }",
}
ENDS = {
    "one": ["one", "first", "second"],
    "extra": ["extra", "second"],
    "reordered": ["reordered", "first"],
    "removed": ["removed", "word"],
}
WAITING = "return { main = function() return { '%s', (process.listen('go'):receive()) } end }"


@pytest.fixture
def files(files: Files) -> Files:
    """The worker remembers no run: each of its tasks replays the run from its beginning."""
    for name in ("first", "second", "extra"):
        files.activity(name, f"return {{ main = function() return '{name}' end }}")
    files.entry(name="lib", kind="library.lua", source="file://lib.lua")
    (files.directory / "lib.lua").write_text("return { word = function() return 'word' end }")
    return files.worker(max_cached_workflows=0)


def edit(files: Files, name: str) -> None:
    files.workflow("main", f"return {{ main = function() {EDITS[name]} end }}", imports={"lib": "lib"})


async def foreign(stage: Stage, queue: str, name: str) -> WorkflowHandle[Any, Any]:
    """A run that somebody who knows nothing of us started."""
    return await stage.client.start_workflow("t:main", id=f"foreign-{name}-{queue}", task_queue=queue)


async def is_waiting(stage: Stage, id: str) -> None:
    """Until the run waits for its message."""
    await eventually(
        lambda: stage.runs.describe(id, stack=True),
        lambda seen: any(item.get("waiting_for") == "receive" for item in seen.stack),
        every=0.05,
    )


async def test_open_runs_finish_under_the_code_they_began_with(files: Files, temporal_server: DevServer) -> None:
    begun: dict[str, list[Started]] = {}
    strangers: dict[str, WorkflowHandle[Any, Any]] = {}
    for name in EDITS:
        edit(files, name)
        async with staged(files, temporal_server.address) as stage:
            begun[name] = list(await asyncio.gather(*(stage.start("main") for _ in range(6))))
            strangers[name] = await foreign(stage, files.queue, name)
            await asyncio.gather(*(is_waiting(stage, run.id) for run in begun[name]))
            await is_waiting(stage, strangers[name].id)
    files.without("extra")  # and a function that open runs have called is gone
    async with staged(files, temporal_server.address) as stage:
        bundles = set()
        for name, runs in begun.items():
            handles = [*(run.id for run in runs), strangers[name].id]
            shown = {(await stage.runs.describe(id)).bundle for id in handles}
            assert len(shown) == 1, "every run of an edit has its bundle"
            bundles |= shown
            for id in handles:
                await stage.runs.signal(id, "go", [])
            assert [(await stage.runs.result(id, 60)).value() for id in handles] == [ENDS[name]] * len(handles)
        assert len(bundles) == len(EDITS)
        everything = [run for runs in begun.values() for run in runs]
        assert {result.failure for result in await stage.replay(*everything)} == {None}


async def test_a_run_of_a_type_that_was_removed_goes_on(files: Files, temporal_server: DevServer) -> None:
    edit(files, "one")
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await is_waiting(stage, run.id)
    files.without("main")
    async with staged(files, temporal_server.address) as stage:
        await stage.send(run, "go")
        assert await stage.result(run) == ENDS["one"]


async def test_an_open_run_outlives_the_entry_of_its_child(files: Files, temporal_server: DevServer) -> None:
    files.workflow("child", "return { main = function(n) return n + 1 end }")
    files.workflow(
        "main",
        "return { main = function() return { assert(workflow.exec('t:child', 1)), (process.listen('go'):receive()) } end }",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await is_waiting(stage, run.id)
    files.without("child")
    async with staged(files, temporal_server.address) as stage:
        await stage.send(run, "go", "on")
        assert await stage.result(run) == [2, "on"]


@pytest.mark.parametrize("shared", ["directory", "database"])
async def test_a_second_worker_on_another_directory_of_the_same_store(
    files: Files, temporal_server: DevServer, tmp_path: Path, shared: str
) -> None:
    edit(files, "one")
    (tmp_path / "other").mkdir()
    other = Files(tmp_path / "other")
    place = str(files.directory / "bundles") if shared == "directory" else f"sqlite:///{tmp_path / 'bundles.db'}"
    files.bundles, other.bundles = open_store(place), open_store(place)
    other.queue = files.queue
    other.without("worker").entry(name="worker", kind="temporal.worker", client="temporal", task_queue=files.queue)
    other.worker(max_cached_workflows=0)
    for name in ("first", "second"):
        other.activity(name, f"return {{ main = function() return '{name}' end }}")
    other.workflow("main", WAITING % "other")
    async with staged(files, temporal_server.address) as stage, staged(other, temporal_server.address) as second:
        runs = [await stage.start("main") for _ in range(3)]
        others = [await second.start("main") for _ in range(3)]
        for run in (*runs, *others):
            await stage.send(run, "go", 1)
        assert [await stage.result(run) for run in runs] == [ENDS["one"]] * 3
        assert [await second.result(run) for run in others] == [["other", 1]] * 3


@pytest.mark.parametrize("pinned_by", ["header", "marker"])
async def test_a_missing_bundle_fails_the_task_by_its_hash_until_it_appears(
    files: Files, temporal_server: DevServer, tmp_path: Path, pinned_by: str
) -> None:
    edit(files, "one")
    async with staged(files, temporal_server.address) as stage:
        if pinned_by == "header":
            id = (await stage.start("main")).id
        else:
            id = (await foreign(stage, files.queue, "missing")).id
        await is_waiting(stage, id)
        bundle = (await stage.runs.describe(id)).bundle
        assert bundle
    files.store.rename(tmp_path / "away")
    edit(files, "extra")
    async with staged(files, temporal_server.address) as stage:
        await stage.runs.signal(id, "go", [])
        described = await stage.until_state(id, "wedged")
        assert described.status == "RUNNING"
        assert bundle in described.failure["message"]
        shutil.copytree(tmp_path / "away", files.store, dirs_exist_ok=True)
        assert (await stage.runs.result(id, 60)).value() == ENDS["one"]


async def test_a_tampered_bundle_is_refused(files: Files, temporal_server: DevServer) -> None:
    edit(files, "one")
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await is_waiting(stage, run.id)
        bundle = (await stage.runs.describe(run.id)).bundle
    path = files.store / "bundles" / f"{bundle}.json"
    genuine = path.read_bytes()
    path.write_bytes(genuine.replace(b"'one'", b"'two'"))
    edit(files, "extra")
    async with staged(files, temporal_server.address) as stage:
        await stage.send(run, "go")
        described = await stage.until_state(run.id, "wedged")
        assert f"{bundle}" in described.failure["message"]
        assert "does not match its hash" in described.failure["message"]
        path.write_bytes(genuine)
        assert await stage.result(run) == ENDS["one"]


async def test_a_run_keeps_the_kernel_it_began_with(files: Files, temporal_server: DevServer) -> None:
    """As after an upgrade of Evermoon: the kernel of the bundle is not the one that this version has."""
    files.workflow("main", "return { main = function() return json.encode(1) end }")
    kernel = _older_kernel()
    bundle = Bundle.of(files.load(), "t:main", lambda _: kernel.hash)
    files.bundles.put_kernel(kernel.data)
    files.bundles.put(bundle)
    client = await Client.connect(temporal_server.address, interceptors=[Interceptor()])
    async with staged(files, temporal_server.address) as stage:
        with outgoing(wire.headers(bundle=bundle.hash)):
            old = await client.start_workflow("t:main", id=f"old-{files.queue}", task_queue=files.queue)
        assert await old.result() == "older"
        assert await stage.run("main") == "1"


def _older_kernel() -> Kernel:
    return _kernel("modules/json", "local text, problem = K.json_encode((...))", "local text, problem = 'older'")


def _kernel(file: str, old: str, new: str) -> Kernel:
    sources = json.loads(current_kernel().data)
    assert old in sources[file]
    return Kernel({**sources, file: sources[file].replace(old, new)})


async def test_a_kernel_that_this_version_cannot_run_fails_the_task_and_says_why(
    files: Files, temporal_server: DevServer
) -> None:
    files.workflow("main", WAITING % "one")
    kernel = _kernel("kernel/boot", "-- Speaks protocol 2.", "-- Speaks protocol 99.")
    bundle = Bundle.of(files.load(), "t:main", lambda _: kernel.hash)
    files.bundles.put_kernel(kernel.data)
    files.bundles.put(bundle)
    client = await Client.connect(temporal_server.address, interceptors=[Interceptor()])
    async with staged(files, temporal_server.address) as stage:
        with outgoing(wire.headers(bundle=bundle.hash)):
            run = await client.start_workflow("t:main", id=f"other-{files.queue}", task_queue=files.queue)
        described = await stage.until_state(run.id, "wedged")
        for part in (bundle.hash, kernel.hash, "it speaks protocol 99, the host 1 and 2"):
            assert part in described.failure["message"]
        assert described.status == "RUNNING"


@pytest.mark.timeout(300)
async def test_a_hundred_open_runs_outlive_three_edits_restarts_and_evictions(
    files: Files, temporal_server: DevServer
) -> None:
    """However they were started: by us, by Temporal's own command line, by a client that knows nothing of us, by a schedule."""
    files.worker(max_cached_workflows=20)
    first, *later = EDITS
    edit(files, first)
    async with staged(files, temporal_server.address) as stage:
        ours = [run.id for run in await asyncio.gather(*(stage.start("main") for _ in range(70)))]
        strange = [await foreign(stage, files.queue, str(number)) for number in range(10)]
        by_command = await asyncio.gather(*(by_command_line(stage, files.queue, number) for number in range(10)))
        by_schedule = await scheduled(stage, files.queue, 10)
        foreigners = [*(handle.id for handle in strange), *by_command, *by_schedule]
        everyone = [*ours, *foreigners]
        assert len(set(everyone)) == 100
        for id in everyone:
            await is_waiting(stage, id)
        bundle = stage.host.programs.pin("t:main")
    for name in later:
        edit(files, name)
        async with staged(files, temporal_server.address) as stage:
            new = await stage.start("main")
            for id in everyone:  # a question of a run that is not in memory replays it
                await is_waiting(stage, id)
            await stage.send(new, "go")
            assert await stage.result(new) == ENDS[name]
    async with staged(files, temporal_server.address) as stage:
        for id in everyone:
            await stage.runs.signal(id, "go", [])
        results = await asyncio.gather(*(stage.runs.result(id, 100) for id in everyone))
        assert [result.value() for result in results] == [ENDS[first]] * len(everyone)
        for id in (ours[0], foreigners[0], foreigners[-1]):
            memo = await (await stage.client.get_workflow_handle(id).describe()).memo()
            assert memo["evermoon_bundle"] == bundle, "as Temporal's own UI shows it"
        for id in foreigners:
            events = (await stage.runs.history(id))["events"]
            recorded = [_payloads(event) for event in events if event["eventType"] == "EVENT_TYPE_MARKER_RECORDED"]
            assert wire.PIN_MARKER.format(hash=bundle) in recorded[0], "the choice, at its first task"


def _payloads(event: Any) -> str:
    """The payloads of an event of a history, as text."""
    return "".join(base64.b64decode(data).decode() for data in re.findall(r"'data': '([^']*)'", str(event)))


async def by_command_line(stage: Stage, queue: str, number: int) -> str:
    """A run that `temporal workflow start` started."""
    id = f"command-{number}-{queue}"
    words = ["workflow", "start", "--address", stage.client.service_client.config.target_host]
    words += ["--task-queue", queue, "--type", "t:main", "--workflow-id", id]
    process = await asyncio.create_subprocess_exec(find_cli(), *words, stdout=PIPE, stderr=PIPE)
    _, said = await process.communicate()
    assert process.returncode == 0, said
    return id


async def scheduled(stage: Stage, queue: str, count: int) -> list[str]:
    """Runs that a schedule started, which somebody else made."""
    every_minute = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(minutes=1))])
    schedule = Schedule(
        action=ScheduleActionStartWorkflow("t:main", id=f"scheduled-{queue}", task_queue=queue),
        spec=every_minute,
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.ALLOW_ALL),
        state=ScheduleState(paused=True),
    )
    handle = await stage.client.create_schedule(f"schedule-{queue}", schedule)
    begin = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=30)
    await handle.backfill(ScheduleBackfill(start_at=begin, end_at=begin + timedelta(minutes=count)))

    async def started() -> list[str]:
        actions = (await handle.describe()).info.recent_actions
        return [action.action.workflow_id for action in actions if hasattr(action.action, "workflow_id")]

    try:
        return (await eventually(started, lambda found: len(found) >= count, every=0.1))[:count]
    finally:
        await handle.delete()


async def test_what_callees_say_of_calls_stays_as_it_was(files: Files, temporal_server: DevServer) -> None:
    """Those words decide what the caller does: a changed one would no longer fit a history."""
    slow = """return { main = function()
      assert(process.send(activity.info().workflow_pid, 'started'))
      while not activity.is_canceled() do activity.heartbeat(1); time.sleep('50ms') end
      return 'cleaned up'
    end }"""
    main = """return { main = function()
      local seen = { funcs.call('t:near'), funcs.call('t:named'), workflow.exec('t:child') }
      local future = funcs.async('t:slow')
      process.listen('started'):receive()
      future:cancel()
      seen[4] = future:await()
      process.listen('go'):receive()
      seen[5], seen[6] = funcs.call('t:near'), workflow.exec('t:child')
      return seen
    end }"""
    where = "return { main = function() return activity.info().is_local or false end }"
    child = "return { main = function() return workflow.info().workflow_type end }"
    heartbeat = {"activity.heartbeat_timeout": "10s"}
    files.workflow("main", main)
    files.activity("near", where, local=True).activity("named", "return { main = function() return 1 end }")
    files.activity("slow", slow, {**heartbeat, "activity.wait_for_cancellation": True})
    files.workflow("child", child, meta={"options": {"workflow.id": f"child-{files.queue}"}})
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await stage.until(run, "ACTIVITY_TASK_COMPLETED", 2)
    files.activity("near", where).activity("named", "return { main = function() return 1 end }", {"activity.id": "x"})
    files.activity("slow", slow, heartbeat)
    files.workflow(
        "child", child, meta={"temporal": {"workflow": {"name": "kid"}}, "options": {"workflow.start_delay": "1h"}}
    )
    async with staged(files, temporal_server.address) as stage:
        assert [result.failure for result in await stage.replay(run)] == [None]
        await stage.send(run, "go")
        assert await stage.result(run) == [True, 1, "t:child", "cleaned up", True, "t:child"]
        assert [result.failure for result in await stage.replay(run)] == [None]
        assert (await stage.runs.describe((await stage.start("main")).id)).bundle != (
            await stage.runs.describe(run.id)
        ).bundle


async def test_children_and_successors_take_the_newest(files: Files, temporal_server: DevServer) -> None:
    parent = """return { main = function(round)
      process.listen('go'):receive()
      if round then return { '%s', round } end
      local child = assert(workflow.exec('t:child'))
      process.upgrade(nil, child)
    end }"""
    files.workflow("main", parent % "old").workflow("child", "return { main = function() return 'old child' end }")
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await is_waiting(stage, run.id)
        before = (await stage.runs.describe(run.id)).bundle
    files.workflow("main", parent % "new").workflow("child", "return { main = function() return 'new child' end }")
    async with staged(files, temporal_server.address) as stage:
        await stage.send(run, "go")
        await eventually(lambda: stage.runs.describe(run.id), lambda seen: seen.run_id != run.run_id, every=0.05)
        await stage.runs.signal(run.id, "go", [])
        assert await stage.result(run) == ["new", "new child"]
        assert (await stage.runs.describe(run.id)).bundle != before


@pytest.mark.parametrize("started_by", ["us", "a stranger"])
async def test_versioning_latest_follows_every_edit(files: Files, temporal_server: DevServer, started_by: str) -> None:
    meta = {"temporal": {"workflow": {"worker": "worker", "versioning": "latest"}}}
    versioned = """return { main = function()
      local v = workflow.version('step', 1, %d)
      process.listen('go'):receive()
      return { '%s', v, workflow.info().bundle }
    end }"""
    files.workflow("main", versioned % (1, "before"), meta=meta)
    async with staged(files, temporal_server.address) as stage:
        if started_by == "us":
            id = (await stage.start("main")).id
            assert (await stage.runs.describe(id)).bundle == "latest"
        else:
            id = (await foreign(stage, files.queue, "latest")).id
        await is_waiting(stage, id)
    files.workflow("main", versioned % (2, "after"), meta=meta)
    async with staged(files, temporal_server.address) as stage:
        await stage.runs.signal(id, "go", [])
        assert (await stage.runs.result(id, 60)).value() == ["after", 1]
        assert await stage.run("main", messages=[("go", 1)]) == ["after", 2]


async def test_a_mended_script_resumes_a_run_whose_task_was_failed(files: Files, temporal_server: DevServer) -> None:
    meta = {"temporal": {"workflow": {"worker": "worker", "on_error": "retry_task"}}}
    script = "return { main = function() process.listen('go'):receive() %s end }"
    files.workflow("main", script % "error('broken')", meta=meta)
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await stage.send(run, "go")
        await stage.until_state(run.id, "wedged")
    files.workflow("main", script % "return 'mended'", meta=meta)
    async with staged(files, temporal_server.address) as stage:
        assert await stage.result(run) == "mended"


async def test_a_start_whose_bundle_cannot_be_published_is_refused(files: Files, temporal_server: DevServer) -> None:
    edit(files, "one")
    files.store.write_text("in the way")
    programs = Programs(files.load(), files.bundles)
    with pytest.raises(Error, match=str(files.store)) as refused:
        programs.pin("t:main")
    assert refused.value.kind == "Unavailable"


async def test_a_type_that_nobody_runs_is_told_with_the_one_that_may_be_meant(
    files: Files, temporal_server: DevServer
) -> None:
    async with staged(files.workflow("main", WAITING % "main"), temporal_server.address) as stage:
        handle = await stage.client.start_workflow("t:mian", id=f"mian-{files.queue}", task_queue=files.queue)

        async def failures() -> list[str]:
            history = await handle.fetch_history()
            events = [event for event in history.events if event.HasField("workflow_task_failed_event_attributes")]
            return [event.workflow_task_failed_event_attributes.failure.message for event in events]

        [message, *_] = await eventually(failures, bool)
        await handle.terminate()
        assert message == 'no entry of the registry runs workflow type "t:mian"; did you mean "t:main"?'
