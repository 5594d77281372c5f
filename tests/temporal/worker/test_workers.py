"""Workers come and go; the plugin; replays."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload as Proto
from temporalio.client import Client, WorkflowHistory
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)
from temporalio.worker import Replayer, Worker

from runtime.contracts import StartRequest
from runtime.errors import Error
from runtime.lua.program import Programs
from runtime.modules.catalogue import FUNCTIONS
from runtime.payload import Payload
from runtime.process.host import ProcessHost
from runtime.registry import TemporalWorker
from runtime.temporal.client.clients import Clients
from runtime.temporal.client.runs import Runs
from runtime.temporal.dev_server import DevServer
from runtime.temporal.replay.replayer import replay
from runtime.temporal.worker.plugin import LuaPlugin
from runtime.temporal.worker.workers import Workers, worker_options
from tests.temporal.stage import Files, staged
from tests.waiting import eventually

SAGA = """return { main = function(n)
  local future = assert(funcs.async('t:double', n))
  time.sleep('10ms')
  process.listen('go'):receive()
  return assert(future:await())
end }"""


def _with_saga(files: Files) -> Files:
    files.activity("double", "return { main = function(n) return n * 2 end }")
    return files.workflow("main", SAGA)


async def test_a_run_survives_its_worker(files: Files, temporal_server: DevServer) -> None:
    _with_saga(files)
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main", 4)
        await stage.until(run, "ACTIVITY_TASK_COMPLETED")
    async with staged(files, temporal_server.address) as stage:
        await stage.send(run, "go")
        assert await stage.result(run) == 8
        assert (await stage.event_types(run)).count("ACTIVITY_TASK_STARTED") == 1


async def test_every_task_may_be_a_replay(files: Files, temporal_server: DevServer) -> None:
    _with_saga(files).worker(max_cached_workflows=0)
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main", 4)
        await stage.send(run, "go")
        assert await stage.result(run) == 8


async def test_a_divergence_is_told_and_a_tampered_history_too(files: Files, temporal_server: DevServer) -> None:
    _with_saga(files)
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main", 4)
        await stage.send(run, "go")
        await stage.result(run)
        history = await stage.history(run)
        assert [result.ok for result in await replay([history], stage.registry)] == [True]
        files.workflow("main", "return { main = function() time.sleep('1s') end }")
        diverged = (await replay([history], files.load()))[0]
        assert not diverged.ok
        assert diverged.workflow_type == "t:main"
        for event in history["events"]:
            scheduled = event.get("activityTaskScheduledEventAttributes")
            if scheduled:
                scheduled["activityType"]["name"] = "t:other"
        assert not (await replay([history], stage.registry))[0].ok


async def test_what_is_no_history_is_refused(files: Files) -> None:
    with pytest.raises(Error, match="no workflow history"):
        await replay([{"events": []}], files.load())
    with pytest.raises(Error, match="nowhere"):
        await replay([files.directory / "nowhere.json"], files.load())


async def test_the_plugin_adds_lua_to_any_worker_and_replayer(files: Files, temporal_server: DevServer) -> None:
    _with_saga(files).load()
    client = await Client.connect(temporal_server.address)
    path = files.directory / "registry.yaml"
    queue, run = f"other-{files.queue}", f"plugin-{files.queue}"
    files.entry(name="other", kind="temporal.worker", client="temporal", task_queue=queue)
    files.activity("double", "return { main = function(n) return n * 2 end }", worker="other")
    files.load()
    async with Worker(client, task_queue=queue, plugins=[LuaPlugin(path, environ={})]):
        handle = await client.start_workflow("t:main", 4, id=run, task_queue=queue)
        await handle.signal("go")
        assert await handle.result() == 8
    history = await handle.fetch_history()
    await Replayer(workflows=[], plugins=[LuaPlugin(path, environ={})]).replay_workflow(history)


class _Listening(PayloadCodec, WithSerializationContext):
    """Leaves payloads alone, and notes whose they were said to be."""

    def __init__(self, heard: list[SerializationContext]) -> None:
        self._heard = heard

    def with_context(self, context: SerializationContext) -> _Listening:
        self._heard.append(context)
        return self

    async def encode(self, payloads: Sequence[Proto]) -> list[Proto]:
        return list(payloads)

    decode = encode


async def test_a_codec_that_wants_to_know_is_told_whose_a_payload_is(files: Files, temporal_server: DevServer) -> None:
    files.activity("double", "return { main = function(n) return n * 2 end }")
    files.workflow("main", "return { main = function(n) return (funcs.call('t:double', n)) end }")
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main", 4)
        assert await stage.result(run) == 8
        history = WorkflowHistory.from_json(run.id, await stage.history(run))
    heard: list[SerializationContext] = []
    converter = DataConverter(payload_codec=_Listening(heard))
    plugin = LuaPlugin(files.directory / "registry.yaml", environ={}, bundles=files.bundles)
    await Replayer(workflows=[], plugins=[plugin], data_converter=converter).replay_workflow(history)
    assert {c.workflow_id for c in heard if isinstance(c, WorkflowSerializationContext)} == {run.id}
    assert {c.activity_type for c in heard if isinstance(c, ActivitySerializationContext)} == {"t:double"}


async def test_workers_wait_for_a_server_that_is_not_there(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    _with_saga(files)
    registry = files.load()
    programs = Programs(registry)
    async with DevServer(ui=False) as server:
        address = server.address
    clients = Clients(registry, address=address)
    runs = Runs(registry, clients, programs)
    host = ProcessHost(registry, programs, workflows=runs)
    fatal: list[BaseException] = []
    workers = Workers(registry, clients, programs, host, runs, on_fatal=fatal.append)
    with caplog.at_level(logging.WARNING, "runtime.temporal.worker.workers"):
        await workers.start()
        with pytest.raises(Error) as refused:
            await runs.start(StartRequest("t:main", [Payload.of(1)]))
        assert refused.value.kind == "Unavailable"
        await eventually(lambda: bool(caplog.records))
    assert (workers.polling, workers.waiting, fatal) == ([], ["t:worker"], [])
    await workers.stop()
    await host.close(0)


async def test_starts_follow_their_id_policies(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", "return { main = function() return process.listen('go'):receive() end }")
    async with staged(files, temporal_server.address) as stage:
        name = str(uuid.uuid4())
        first = await stage.start("main", id=name)
        again = await stage.start("main", id=name)
        assert (first.created, again.created) == (True, False)
        assert (again.run_id, again.pid) == (first.run_id, first.pid)
        with pytest.raises(Error) as refused:
            await stage.start("main", id=name, options={"id_conflict_policy": "fail"})
        assert refused.value.kind == "AlreadyExists"
        assert refused.value.details == {"workflow_id": name, "run_id": first.run_id}
        replaced = await stage.start("main", id=name, options={"id_conflict_policy": "terminate_existing"})
        assert replaced.run_id != first.run_id
        joined = await stage.start("main", id=name, messages=[("go", "joined")])
        assert (joined.created, joined.run_id) == (False, replaced.run_id)
        assert await stage.result(joined) == "joined"
        fresh = await stage.start("main", id=name, messages=[("go", "fresh")])
        assert fresh.created
        assert await stage.result(fresh) == "fresh"
        with pytest.raises(Error) as rejected:
            await stage.start("main", id=name, options={"id_reuse_policy": "reject_duplicate"})
        assert rejected.value.kind == "AlreadyExists"


@pytest.mark.parametrize("policy", ["reject_duplicate", "allow_duplicate_failed_only"])
async def test_an_open_run_is_used_whatever_may_be_reused_later(
    policy: str, files: Files, temporal_server: DevServer
) -> None:
    files.workflow("main", "return { main = function() return process.listen('go'):receive() end }")
    async with staged(files, temporal_server.address) as stage:
        name, options = str(uuid.uuid4()), {"id_reuse_policy": policy}
        first = await stage.start("main", id=name, options=options)
        again = await stage.start("main", id=name, options=options)
        assert (again.created, again.run_id) == (False, first.run_id)
        with pytest.raises(Error) as refused:
            await stage.start("main", id=name, options={**options, "id_conflict_policy": "fail"})
        assert refused.value.kind == "AlreadyExists"
        joined = await stage.start("main", id=name, options=options, messages=[("go", "joined")])
        assert (joined.created, joined.run_id) == (False, first.run_id)
        assert await stage.result(first) == "joined"
        for messages in ([], [("go", "late")]):
            with pytest.raises(Error) as closed:
                await stage.start("main", id=name, options=options, messages=messages)
            assert closed.value.kind == "AlreadyExists"
            assert closed.value.details == {"workflow_id": name, "run_id": first.run_id}


async def test_what_is_no_worker_starts_nothing(files: Files, temporal_server: DevServer) -> None:
    """The name of a queue may be anything, but not an id: nobody would ever serve it."""
    files.workflow("main", "return { main = function() return 1 end }")
    files.entry(name="processes", kind="process.host")
    async with staged(files, temporal_server.address) as stage:
        with pytest.raises(Error, match='t:wroker not found: did you mean "t:worker"') as unknown:
            await stage.start("main", worker="t:wroker")
        assert (unknown.value.kind, unknown.value.details) == ("NotFound", {"host": "t:wroker"})
        with pytest.raises(Error, match=r"t:processes is a process\.host, not a temporal\.worker") as other:
            await stage.start("main", worker="t:processes")
        assert other.value.kind == "Invalid"
        assert await stage.run("main", worker=files.queue) == 1


async def test_runs_are_listed_and_unknown_ones_are_not_found(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", "return { main = function() return 1 end }")
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await stage.result(run)
        query = f"TaskQueue = '{files.queue}' AND ExecutionStatus = 'Completed'"  # the index comes a little later
        found = await stage.listed(query)
        assert [(item.id, item.entry, item.status, item.pid) for item in found] == [
            (run.id, "t:main", "COMPLETED", run.pid)
        ]
        calls: list[Any] = [
            stage.runs.describe("nobody"),
            stage.runs.result("nobody", 1),
            stage.runs.signal("nobody", "topic", []),
            stage.runs.query("nobody", "name", []),
            stage.runs.cancel("nobody"),
            stage.runs.history("nobody"),
            stage.runs.start(StartRequest("t:nobody")),
        ]
        for call in calls:
            with pytest.raises(Error) as failed:
                await call
            assert failed.value.kind == "NotFound"


async def test_a_run_that_goes_on_is_told_from_one_that_failed(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", "return { main = function() return process.listen('go'):receive() end }")
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        with pytest.raises(Error) as waiting:
            await stage.runs.result(run.id, 0.1)
        assert waiting.value.kind == "Timeout"
        assert waiting.value.details == {"waiting": True}
        await stage.runs.terminate(run.pid, "tidy up")
        with pytest.raises(Error, match="terminated"):
            await stage.result(run)


async def test_a_stopping_worker_hands_its_activities_on(files: Files, temporal_server: DevServer) -> None:
    files.activity(
        "patient",
        """return { main = function()
             if activity.info().attempt > 1 then return 'second attempt' end
             time.sleep('1h')
             return nil, errors.new('Canceled', 'interrupted')
           end }""",
        {"activity.retry_policy": {"initial_interval": "10ms"}},
    )
    files.workflow("main", "return { main = function() return assert(funcs.call('t:patient')) end }")
    files.worker(graceful_shutdown_timeout="100ms")
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await eventually(
            lambda: stage.runs.describe(run.id), lambda seen: [item["state"] for item in seen.pending] == ["started"]
        )
    async with staged(files, temporal_server.address) as stage:
        assert await stage.result(run) == "second attempt"


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, 10),
        ({"lifecycle": {"stop_timeout": "3s"}}, 3),
        ({"lifecycle": {"stop_timeout": "90s"}}, 90),
        ({"worker_options": {"graceful_shutdown_timeout": "5s"}, "lifecycle": {"stop_timeout": "3s"}}, 3),
        ({"worker_options": {"graceful_shutdown_timeout": "2s"}, "lifecycle": {"stop_timeout": "3s"}}, 2),
    ],
)
def test_activities_get_the_stop_timeout_of_their_worker(files: Files, fields: dict[str, Any], seconds: int) -> None:
    worker = {"name": "worker", "kind": "temporal.worker", "client": "temporal", "task_queue": files.queue, **fields}
    registry = files.without("worker").entry(**worker).load()
    entry = registry.resolve(registry["t:worker"])
    assert isinstance(entry, TemporalWorker)
    assert worker_options(registry, entry)["graceful_shutdown_timeout"].total_seconds() == seconds


async def test_workers_outlive_their_server(files: Files, tmp_path: Path) -> None:
    _with_saga(files)
    async with DevServer(tmp_path / "state", ui=False) as server:
        port = int(server.address.rpartition(":")[2])
        async with staged(files, server.address) as stage:
            run = await stage.start("main", 4)
            await stage.until(run, "ACTIVITY_TASK_COMPLETED")
            await server.stop()
            with pytest.raises(Error) as away:
                await stage.send(run, "go")
            assert away.value.kind == "Unavailable"
            async with DevServer(tmp_path / "state", ui=False, port=port) as again:
                assert again.address == server.address
                await stage.send(run, "go")
                assert await stage.result(run) == 8


async def test_a_waiting_activity_shows_what_it_waits_for(files: Files, temporal_server: DevServer) -> None:
    files.activity("down", "return { main = function() return nil, errors.new('Unavailable', 'down') end }")
    files.workflow("main", "return { main = function() return funcs.call('t:down') end }")
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        described = await eventually(
            lambda: stage.runs.describe(run.id), lambda seen: seen.pending and seen.pending[0]["last_failure"]
        )
        pending = described.pending[0]
        assert (pending["activity"], pending["activity_id"]) == ("t:down", "1")
        assert pending["last_failure"]["kind"] == "Unavailable"
        assert pending["attempt"] >= 2
        await stage.runs.terminate(run.id)


async def test_a_run_nobody_serves_is_pending(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", "return { main = function() return 1 end }")
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main", worker=f"nobody-{files.queue}")
        described = await stage.runs.describe(run.id)
        assert (described.state, described.task_queue) == ("pending", f"nobody-{files.queue}")
        assert run.pid == described.pid == f"{{nobody-{files.queue}|{run.id}}}"
        await stage.runs.terminate(run.id)


async def test_a_step_that_a_busy_machine_makes_slow_is_no_deadlock(
    files: Files, temporal_server: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Limits are in processor time; the SDK's own detector looks at the clock on the wall, after two seconds."""

    def slow(*args: Any) -> Any:
        time.sleep(2.5)
        return encode(*args)

    encode = FUNCTIONS["base64.encode"]
    monkeypatch.setitem(FUNCTIONS, "base64.encode", slow)
    files.worker(shadow=False).workflow(
        "main", "return { main = function() return base64.encode('x') end }", modules=["base64"]
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        assert await stage.result(run) == "eA=="
        assert "WORKFLOW_TASK_FAILED" not in await stage.event_types(run)
