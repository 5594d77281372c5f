"""Signals in, messages out."""

from __future__ import annotations

import asyncio

import pytest

from runtime.errors import INVALID, Error
from runtime.temporal.dev_server import DevServer
from tests.temporal.stage import Files, staged

COLLECT = """return { main = function(n)
  local inbox, seen = process.inbox(), {}
  for i = 1, n do
    local message = inbox:receive()
    seen[i] = { message:topic(), message:payload():data(), message:from() }
  end
  return seen
end }"""


async def test_messages_sent_with_the_start_come_first_and_in_order(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", COLLECT)
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start(
            "main", 3, id="m-" + files.queue, messages=[("a", 1), ("b", {"x": 2})], sender="{h@n|7}"
        )
        await stage.send(run, "c", "three")
        assert await stage.result(run) == [["a", 1, "{h@n|7}"], ["b", {"x": 2}, "{h@n|7}"], ["c", "three", ""]]
        assert [result.failure for result in await stage.replay(run)] == [None]


async def test_signals_of_any_temporal_client_are_messages(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", COLLECT)
    async with staged(files, temporal_server.address) as stage:
        handle = await stage.client.start_workflow("t:main", 2, id="f-" + files.queue, task_queue=files.queue)
        await handle.signal("one", {"n": 1})
        await handle.signal("two", [1, 2.5])
        assert await handle.result() == [["one", {"n": 1}, ""], ["two", [1, 2.5], ""]]


async def test_bytes_arrive_as_bytes(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", "return { main = function(data) return { string.byte(data, 1, -1) } end }")
    async with staged(files, temporal_server.address) as stage:
        handle = await stage.client.start_workflow("t:main", b"\x00\xff", id="b-" + files.queue, task_queue=files.queue)
        assert await handle.result() == [0, 255]


async def test_a_run_sends_to_another_and_is_named_as_the_sender(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", COLLECT)
    files.workflow(
        "sender",
        """return { main = function(pid)
             local ok, err = process.send(pid, 'hello', { n = 1 })
             return ok or err:kind()
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        reader = await stage.start("main", 1)
        sender = await stage.start("sender", reader.pid)
        assert await stage.result(sender) is True
        assert await stage.result(reader) == [["hello", {"n": 1}, sender.pid]]


async def test_a_message_to_a_run_that_ended_is_not_found(files: Files, temporal_server: DevServer) -> None:
    files.workflow("done", "return { main = function() return 1 end }")
    files.workflow(
        "sender",
        """return { main = function(pid)
             local ok, err = process.send(pid, 'late', 1)
             return { err:kind(), err:retryable(), err:message() }
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        done = await stage.start("done")
        await stage.result(done)
        kind, retryable, message = await stage.run("sender", done.pid)
        assert (kind, retryable) == ("NotFound", False)
        assert done.pid in message


async def test_a_message_to_oneself_needs_no_history(files: Files, temporal_server: DevServer) -> None:
    files.workflow(
        "main",
        """return { main = function()
             assert(process.send(process.pid(), 'note', 'to self'))
             local message = process.listen('note', { message = true }):receive()
             return { message:payload():data(), message:from() == process.pid() }
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        assert await stage.result(run) == ["to self", True]
        assert "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED" not in await stage.event_types(run)


async def test_a_run_that_returns_at_once_still_delivers_what_it_sent(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", COLLECT)
    files.workflow(
        "sender",
        """return { main = function(pid)
             for i = 1, 3 do coroutine.spawn(function() process.send(pid, 'n', i) end) end
             time.sleep('1ms')
             return 'gone'
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        reader = await stage.start("main", 3)
        sender = await stage.start("sender", reader.pid)
        assert await stage.result(sender) == "gone"
        assert [item[1] for item in await stage.result(reader)] == [1, 2, 3]
        assert [result.failure for result in await stage.replay(reader, sender)] == [None, None]


async def test_a_topic_may_not_begin_with_an_at_sign(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", COLLECT)
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main", 1)
        with pytest.raises(Error) as refused:
            await stage.send(run, "@private", 1)
        assert refused.value.kind == "Invalid"
        await stage.runs.terminate(run.id)


async def test_no_message_is_lost_between_continued_runs(files: Files, temporal_server: DevServer) -> None:
    """Forty messages to a run that continues as new after each: every one is read once, whenever it comes."""
    files.workflow(
        "main",
        """return { main = function(seen)
             table.insert(seen, (process.inbox():receive():payload():data()))
             if #seen == 40 then return seen end
             process.upgrade(nil, seen)
           end }""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main", [])
        await asyncio.gather(*(stage.send(run, "n", number) for number in range(40)))
        assert sorted(await stage.result(run)) == list(range(40))


async def test_topics_with_control_characters_are_refused_but_those_of_others_arrive(
    files: Files, temporal_server: DevServer
) -> None:
    """The server takes them, so somebody else's client may send them."""
    odd = ["a\x01b", "a\nb", "a\x00b", "\x7f"]
    files.workflow(
        "main",
        "return { main = function(n) local got, inbox = {}, process.inbox() "
        "for i = 1, n do got[i] = inbox:receive():topic() end return got end }",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main", len(odd))
        for topic in odd:
            with pytest.raises(Error, match="control character") as refused:
                await stage.send(run, topic)
            assert refused.value.kind == INVALID
            with pytest.raises(Error, match="control character"):
                await stage.start("main", 1, messages=[(topic, 1)])
            with pytest.raises(Error, match="control character"):
                await stage.start("main", 1, id=topic)
            await stage.client.get_workflow_handle(run.id).signal(topic)
        assert await stage.result(run) == odd
