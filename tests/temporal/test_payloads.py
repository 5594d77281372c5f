"""What travels encrypted, and what by reference."""

from __future__ import annotations

import base64
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload as Proto

from runtime import Runtime
from runtime.errors import Error
from runtime.lua.program import Programs
from runtime.temporal.dev_server import DevServer
from runtime.temporal.payloads import AesGcm, travel
from runtime.temporal.replay.replayer import replay
from tests.temporal.schedules.test_schedules import described
from tests.temporal.stage import Files, Stage, staged
from tests.waiting import eventually

KEY = base64.b64encode(bytes(range(32))).decode()
SECRET = "c0ffee-secret"
MAIN = """return { main = function(input)
  workflow.attrs{ memo = { note = input.word } }
  workflow.status(input.word)
  workflow.query('word', function() return input.word end)
  local echoed = assert(funcs.call('t:echo', input))
  local _, err = funcs.call('t:refuse', input.word)
  assert(process.with_context({ word = input.word }):with_message('go', input.word):exec('t:child', 't:worker', input))
  time.sleep('1ms')
  local said = process.listen('word'):receive()
  if not input.again then
    process.send(process.pid(), 'kept', said)
    process.upgrade(nil, { word = echoed.word, again = true, err = { err:kind(), err:message(), tostring(err), err:details().word } })
  end
  return { echoed.word, said, process.listen('kept'):receive(), input.err, ctx.get('word') }
end }"""
ECHO = "return { main = function(input) return input end }"
REFUSE = """return { main = function(word)
  return nil, errors.wrap(errors.new{ kind = 'Conflict', message = word .. ' is taken', details = { word = word } }, 'asked for ' .. word)
end }"""
CHILD = "return { main = function(input) return { input.word, process.listen('go'):receive(), ctx.get('word') } end }"
FAILS = "return { main = function(input) return nil, errors.new('Conflict', input.word) end }"


def _files(files: Files) -> Files:
    files.workflow("main", MAIN).workflow("child", CHILD).workflow("fails", FAILS)
    return files.activity("echo", ECHO).activity("refuse", REFUSE)


async def _histories(stage: Stage, *ids: str) -> list[dict[str, Any]]:
    found = []
    for id in ids:
        async for run in stage.client.list_workflows(f"WorkflowId = '{id}'"):
            handle = stage.client.get_workflow_handle(id, run_id=run.run_id)
            found.append((await handle.fetch_history()).to_json_dict())
    return found


def _clear(histories: list[dict[str, Any]]) -> str:
    """Everything the histories say, Base64 undone."""
    texts: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)
        elif isinstance(value, str):
            texts.append(value)
            try:
                texts.append(base64.b64decode(value, validate=True).decode("latin-1"))
            except ValueError:
                pass

    walk(histories)
    return "\n".join(texts)


async def test_with_a_codec_no_history_holds_clear_text(files: Files, temporal_server: DevServer) -> None:
    _files(files).client(codec={"type": "aes_gcm", "key": KEY})
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main", {"word": SECRET}, context={"word": SECRET})
        await stage.until(run, "TIMER_FIRED")
        await stage.send(run, "word", SECRET)
        await stage.until(run, "WORKFLOW_EXECUTION_STARTED")
        while (await stage.runs.describe(run.id)).run_id == run.run_id:
            await stage.until(run, "WORKFLOW_EXECUTION_STARTED")
        await stage.until(run, "TIMER_FIRED")
        assert await stage.query(run, "word") == SECRET
        described = await stage.runs.describe(run.id)
        assert (described.details, described.memo["note"]) == (SECRET, SECRET)
        await stage.send(run, "word", SECRET)
        refused = ["Conflict", f"{SECRET} is taken", f"asked for {SECRET}: {SECRET} is taken", SECRET]
        assert await stage.result(run) == [SECRET, SECRET, SECRET, refused, SECRET]
        failed = await stage.start("fails", {"word": SECRET})
        with pytest.raises(Error) as raised:
            await stage.result(failed)
        assert (raised.value.kind, raised.value.message) == ("Conflict", SECRET)
        shown = (await stage.runs.describe(failed.id)).failure or {}
        assert (shown["kind"], shown["message"]) == ("Conflict", SECRET)
        async with stage.runs.follow(failed.id) as feed:
            told = [event async for event in feed]
        assert told[-1].data["error"]["message"] == SECRET
        await stage.listed(f"WorkflowId = '{run.id}' AND ExecutionStatus = 'Completed'")
        await stage.listed(f"WorkflowId = '{failed.id}' AND ExecutionStatus = 'Failed'")
        histories = await _histories(stage, run.id, failed.id)
        assert len(histories) == 3
        assert SECRET not in _clear(histories)
        programs = Programs(stage.registry, stage.bundles)
        assert [item.failure for item in await replay(histories, stage.registry, programs)] == [None] * 3


async def test_a_payload_of_another_key_is_no_secret_told(files: Files, temporal_server: DevServer) -> None:
    _files(files).client(codec={"type": "aes_gcm", "key": KEY})
    async with staged(files, temporal_server.address) as stage:
        failed = await stage.start("fails", {"word": SECRET})
        with pytest.raises(Error):
            await stage.result(failed)
        history = await stage.history(failed)
        files.client(codec={"type": "aes_gcm", "key": "00" * 32})
        with pytest.raises(Error, match="another key"):
            await replay([history], files.load(), Programs(stage.registry, stage.bundles))
        files.client(codec={"type": "aes_gcm", "key": "00" * 32, "former_keys": [KEY]})
        [item] = await replay([history], files.load(), Programs(stage.registry, stage.bundles))
        assert item.failure is None


async def test_the_newest_key_writes_and_each_reads() -> None:
    old, new = bytes(range(32)), bytes(range(1, 33))
    clear = [Proto(metadata={"encoding": b"json/plain"}, data=b'"secret"')]
    [before] = await AesGcm(old).encode(clear)
    rotated = AesGcm(new, [old])
    [after] = await rotated.encode(clear)
    assert await rotated.decode([before, after]) == clear * 2
    assert await AesGcm(new).decode([after]) == clear
    with pytest.raises(Error, match="another key"):
        await AesGcm(old).decode([after])


async def test_a_schedule_knows_its_mark_and_its_runs_their_input(files: Files, temporal_server: DevServer) -> None:
    files.workflow("yearly", ECHO).client(codec={"type": "aes_gcm", "key": KEY})
    files.entry(
        name="each", kind="temporal.schedule", worker="worker", workflow="yearly", cron="0 0 1 1 *", input=SECRET
    )
    files.load()
    server = temporal_server.address
    for last in (False, True):  # the second host finds it as it wants it
        async with Runtime.open(files.directory / "registry.yaml", temporal=server, environ={}) as runtime:
            await eventually(partial(described, runtime, "t:each"), lambda found: found is not None)
            await runtime.schedules.trigger("t:each", "allow_all")
            view = await eventually(partial(runtime.schedules.describe, "t:each"), lambda view: view.recent)
            assert await runtime.result(view.recent[-1], 60) == SECRET
            if last:
                await runtime.schedules.delete("t:each")


@pytest.mark.parametrize("codec", [{}, {"type": "aes_gcm", "key": "00" * 32}], ids=["no codec", "another key"])
async def test_a_run_whose_values_cannot_be_read_is_listed_and_described(
    codec: dict[str, str], files: Files, temporal_server: DevServer
) -> None:
    files.workflow(
        "main",
        "return { main = function(word) workflow.attrs{ memo = { note = word } } process.listen('go'):receive() end }",
    )
    files.client(codec={"type": "aes_gcm", "key": KEY})
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main", SECRET)
        await stage.until(run, "WORKFLOW_PROPERTIES_MODIFIED")
        files.client(codec=codec)
        async with staged(files, temporal_server.address, serving=False) as other:
            [found] = await other.listed(f"WorkflowId = '{run.id}'")
            assert (found.id, found.entry, found.memo) == (run.id, "t:main", {})
            described = await other.runs.describe(run.id)
            assert (described.id, described.memo) == (run.id, {})
        await stage.send(run, "go")
        await stage.result(run)


@pytest.mark.parametrize("codec", [None, {"type": "aes_gcm", "key": KEY}], ids=["clear", "encrypted"])
async def test_large_values_travel_by_reference(
    codec: dict[str, str] | None, files: Files, tmp_path: Path, temporal_server: DevServer
) -> None:
    """As argument, result, message and answer, to an activity and back; each was more than Temporal takes."""
    files.client(payloads={"threshold": "64KiB", "store": str(tmp_path / "payloads")}, codec=codec or {})
    files.activity("echo", ECHO).worker(shadow=False)
    files.workflow(
        "main",
        """return { main = function(text)
             local echoed = assert(funcs.call('t:echo', text))
             local said = process.listen('said'):receive()
             return said == echoed and said
           end }""",
        limits={"memory": "256MiB"},
    )
    large = SECRET * (3 * 1024 * 1024 // len(SECRET))
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main", large)
        await stage.send(run, "said", large)
        assert await stage.result(run) == large
        history = await stage.history(run)
        assert len(json.dumps(history)) < 100_000
        kept = [file.read_bytes() for file in (tmp_path / "payloads").rglob("*") if file.is_file()]
        assert max(len(data) for data in kept) > 3_000_000
        assert any(SECRET.encode() in data for data in kept) is (codec is None)
        programs = Programs(stage.registry, stage.bundles)
        assert [item.failure for item in await replay([history], stage.registry, programs)] == [None]
        with pytest.raises(Error, match="more than a payload store takes"):
            await stage.start("main", "x" * (65 * 1024 * 1024))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"codec": {"type": "aes_gcm", "key": "short"}}, "codec.key is not"),
        ({"codec": {"type": "aes_gcm", "key": KEY, "former_keys": [KEY, "short"]}}, "codec.former_keys.1 is not"),
        ({"payloads": {"store": "ftp://bucket"}}, "payloads.store is a path, or a URL"),
    ],
)
def test_what_will_not_do_is_refused(fields: dict[str, Any], message: str, files: Files) -> None:
    with pytest.raises(Error, match=message) as refused:
        travel(files.client(**fields).load(), "t:temporal")
    assert refused.value.kind == "Invalid"
