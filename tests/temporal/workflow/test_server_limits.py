"""What the server refuses is refused before it is sent: the script hears INVALID at its line, and the run goes on. docs/limits.md has the table."""

from __future__ import annotations

from typing import Any

import pytest

from runtime import limits
from runtime.errors import Error
from runtime.temporal.dev_server import DevServer
from tests.temporal.stage import Files, Stage, staged

TOLD = """local function told(value, err)
  return { value = value, kind = err and err:kind(), text = err and err:message(), stack = err and err:stack() }
end
local X = string.rep
local function await(n) workflow.wait(function() return n() end) end
"""
LIMITS = {"memory": "512MiB", "instructions": 200_000_000}

#: By what is too large: what the script calls, and what it is told.
REFUSED = {
    "activity": (
        'funcs.call("t:echo", 1, X("x", 3000000))',
        "argument 2 has 3000002, are more than Temporal takes at once",
    ),
    "envelopes": ('funcs.call("t:echo", table.unpack(many))', "values of"),
    "attribute": ('workflow.attrs({ search = { Customer = X("x", 3000) } })', "3002 bytes as JSON are more than"),
    "memo": ('workflow.attrs({ memo = { note = X("x", 2500000) } })', "the memo: 2500"),
    "child's memo": (
        'process.with_options({ ["workflow.memo"] = { note = X("x", 2500000) } }):exec("t:child", "t:worker")',
        "the memo of t:child: 2500",
    ),
    "child's attribute": (
        'process.with_options({ ["workflow.search_attributes"] = { Customer = X("x", 3000) } }):exec("t:child", "t:worker")',
        "3002 bytes as JSON",
    ),
    "child's id": ('process.with_name(X("x", 1001)):exec("t:child", "t:worker")', "1001 bytes are more than"),
    "child's queue": ('process.exec("t:child", X("x", 1001))', 'task queue "xxx'),
    "child's greeting": (
        'process.with_message("hi", X("x", 3000000)):spawn("t:child", "t:worker")',
        'message "hi": 3000002 bytes',
    ),
    "address": ('process.send("{t:worker|" .. X("x", 1001) .. "}", "topic")', "the id of a workflow"),
    "topic": ('process.send("{t:worker|none}", X("x", 1001))', 'topic "xxx'),
    "message": ('process.send("{t:worker|none}", "topic", X("x", 3000000))', 'message "topic": 3000002 bytes'),
    "reason": ('process.cancel("{t:worker|none}", X("x", 3000000))', "the reason: 3000002 bytes"),
    "function": ('funcs.call("t:" .. X("x", 1001), 1)', "the id of a function"),
    "workflow": ('workflow.exec("t:" .. X("x", 1001), 1)', "the id of a workflow"),
    "version": ('workflow.version(X("x", 1001), 1, 2)', "the id of a change"),
    "patch": ('workflow.patched(X("x", 1001))', "the id of a change"),
    "call": (
        'funcs.new():with_context({ big = X("x", 2000000) }):call("t:echo", X("x", 2000000))',
        "are more than a request to Temporal holds",
    ),
}


def _files(files: Files) -> Files:
    files.client(search_attributes={"Customer": "Keyword"})
    files.activity("echo", "return { main = function(v) return #v end }").worker(shadow=False)
    files.activity("same", "return { main = function(v) return v end }")
    return files.workflow("child", "return { main = function(v) return v and #v or 'child' end }", limits=LIMITS)


def _main(files: Files, body: str, name: str = "main") -> Files:
    return files.workflow(name, f"{TOLD}return {{ main = function()\n{body}\nend }}", limits=LIMITS)


async def _replays(stage: Stage, run: Any) -> None:
    assert [result.failure for result in await stage.replay(run)] == [None]


async def test_what_is_too_large_is_refused_at_its_line_and_the_run_goes_on(
    files: Files, temporal_server: DevServer
) -> None:
    lines = ["local many, heard = {}, {}", 'for i = 1, 9000 do many[i] = "" end']
    first = len(TOLD.splitlines()) + len(lines) + 2
    lines += [f"heard[#heard + 1] = told({call})" for call, _ in REFUSED.values()]
    _main(_files(files), "\n".join([*lines, "return heard"]))
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        for number, (told, (what, (_, text))) in enumerate(zip(await stage.result(run), REFUSED.items(), strict=True)):
            assert (told.get("value"), told["kind"]) == (None, "Invalid"), what
            assert text in told["text"], what
            if what not in ("version", "patch"):  # which are answered while the script runs
                assert told["stack"].startswith(f"main.lua:{first + number}:"), what
        await _replays(stage, run)


async def test_the_memo_of_a_run_is_limited_with_what_it_holds(files: Files, temporal_server: DevServer) -> None:
    _main(
        _files(files),
        """local one = told(workflow.attrs({ memo = { a = X("x", 1500000) } }))
           local two = told(workflow.attrs({ memo = { b = X("x", 1500000) } }))
           return { one, two, told(workflow.attrs({ memo = { a = X("y", 1500000) } })) }""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        assert [told.get("value", told.get("kind")) for told in await stage.result(run)] == [True, "Invalid", True]
        await _replays(stage, run)


#: What one step asks for, more than a request holds, and what comes of it.
TOGETHER = {
    "activities": (
        """local futures = {}
           for i = 1, 5 do futures[i] = funcs.async("t:echo", X("x", 1000000)) end
           return funcs.all(futures)""",
        [1000000] * 5,
    ),
    "results that come meanwhile": (
        """local futures, sizes = {}, {}
           for i = 1, 30 do futures[i] = funcs.async("t:same", X("x", 300000)) end
           for i, text in ipairs(funcs.all(futures)) do sizes[i] = #text end
           return sizes""",
        [300000] * 30,
    ),
    "children": (
        """local sizes = {}
           for i = 1, 5 do coroutine.spawn(function() sizes[i] = workflow.exec("t:child", X("x", 1000000)) end) end
           await(function() return #sizes == 5 end)
           return sizes""",
        [1000000] * 5,
    ),
    "messages": (
        """local heard = {}
           for i = 1, 5 do
             coroutine.spawn(function() heard[i] = told(process.send("{t:worker|none" .. i .. "}", "topic", X("x", 1000000))).kind end)
           end
           await(function() return #heard == 5 end)
           return heard""",
        ["NotFound"] * 5,
    ),
    "contexts": (
        """local with = funcs.new():with_context({ big = X("x", 1500000) })
           local futures = {}
           for i = 1, 4 do futures[i] = with:async("t:echo", "a") end
           return funcs.all(futures)""",
        [1] * 4,
    ),
    "memos": (
        """for i = 1, 4 do workflow.attrs({ memo = { a = X("x", 1500000 + i) } }) end
           return true""",
        True,
    ),
    "result": (
        """for i = 1, 3 do funcs.async("t:echo", X("x", 1500000)) end
           return X("x", 2000000)""",
        "x" * 2000000,
    ),
    "given up": (
        """local futures, n = {}, 0
           for i = 1, 6 do futures[i] = funcs.async("t:echo", X("x", 1000000)) end
           for i = 1, 6 do futures[i]:cancel() end
           for i = 1, 6 do n = n + (futures[i]:is_canceled() and 1 or 0) end
           time.sleep("1ms")
           return n""",
        6,
    ),
    "continued": (
        """if workflow.info().continued_run_id then return "continued" end
           for i = 1, 3 do funcs.async("t:echo", X("x", 1000000)) end
           process.upgrade(nil, X("x", 1500000))""",
        "continued",
    ),
}


async def test_the_commands_of_a_step_are_sent_with_as_many_tasks_as_they_need(
    files: Files, temporal_server: DevServer
) -> None:
    for number, (body, _) in enumerate(TOGETHER.values()):
        _main(_files(files), body, f"main{number}")
    async with staged(files, temporal_server.address) as stage:
        for number, (what, (_, value)) in enumerate(TOGETHER.items()):
            run = await stage.start(f"main{number}")
            assert await stage.result(run) == value, what
            await _replays(stage, run)
            for sizes in _arguments_by_task(await stage.history(run)):
                assert len(sizes) == 1 or sum(sizes) <= limits.MAX_COMMANDS, "there is room for what arrives meanwhile"


def _arguments_by_task(history: dict[str, Any]) -> list[list[int]]:
    """The sizes of the arguments of activities, in bytes, of each workflow task that scheduled some."""
    tasks: dict[str, list[int]] = {}
    for event in history["events"]:
        scheduled = event.get("activityTaskScheduledEventAttributes")
        if scheduled is not None:
            payloads = scheduled.get("input", {}).get("payloads", [])
            size = sum(len(payload.get("data", "")) * 3 // 4 for payload in payloads)
            tasks.setdefault(scheduled["workflowTaskCompletedEventId"], []).append(size)
    return list(tasks.values())


async def test_answers_that_are_too_large_are_refused_to_who_asks(files: Files, temporal_server: DevServer) -> None:
    _main(
        _files(files),
        """local done = false
           workflow.query("big", function(n) return X("x", n) end)
           workflow.update("big", function(n) return X("x", n) end)
           workflow.update("end", function() done = true return true end)
           workflow.wait(function() return done end)
           return "went on\"""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        for ask, what in ((stage.query, 'the answer to query "big"'), (stage.update, "the result of an update")):
            with pytest.raises(Error, match=f"{what}: 3000002 bytes are more than Temporal takes at once") as refused:
                await ask(run, "big", 3000000)
            assert refused.value.kind == "Invalid"
            assert len(await ask(run, "big", 10)) == 10
            with pytest.raises(Error, match="more than Temporal takes at once"):
                await ask(run, "big", "x" * 3000000)
        await stage.update(run, "end")
        assert await stage.result(run) == "went on"
        await _replays(stage, run)


async def test_more_activities_than_a_run_may_have_under_way_are_refused(
    files: Files, temporal_server: DevServer
) -> None:
    """Nobody serves their queue, so none of them ends before the others begin."""
    _main(
        _files(files),
        """local nowhere = funcs.new():with_options({ ["activity.task_queue"] = "nobody-" .. workflow.info().workflow_id })
           local futures, err = {}, nil
           while not err do
             futures[#futures + 1] = nowhere:async("t:echo", 1)
             if #futures > 1949 then err = select(2, nowhere:call("t:echo", 1)) end
           end
           return told(#futures, err)""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        told = await stage.result(run)
        assert (told["value"], told["kind"]) == (1950, "Invalid")
        assert "1950 activities of this run are under way" in told["text"]
        await _replays(stage, run)


async def test_a_failure_is_told_as_far_as_the_server_takes_it(files: Files, temporal_server: DevServer) -> None:
    _main(
        _files(files),
        """local e = errors.new("Conflict", X("x", 100000))
           for i = 1, 60 do e = errors.wrap(e, X("y", 10000)) end
           return nil, e""",
    )
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        with pytest.raises(Error) as failed:
            await stage.result(run)
        assert failed.value.kind == "Conflict"
        await _replays(stage, run)


#: Of a start: what it is given too much of, and what it is told.
STARTS: dict[str, tuple[dict[str, Any], str]] = {
    "id": ({"id": "x" * 1001}, "the id of a workflow"),
    "queue": ({"worker": "x" * 1001}, "x"),
    "memo": ({"options": {"memo": {"note": "x" * 2500000}}}, "the memo of t:child: 2500"),
    "attribute": ({"options": {"search_attributes": {"Customer": "x" * 3000}}}, "3002 bytes as JSON"),
    "topic": ({"messages": [("x" * 1001, 1)]}, 'topic "xxx'),
    "message": ({"messages": [("topic", "x" * 3000000)]}, 'message "topic"'),
    "sum": (
        {"options": {"memo": {"note": "x" * 2000000}}, "messages": [("topic", "x" * 2000000)]},
        "a request to Temporal",
    ),
}


async def test_a_start_that_the_server_would_refuse_is_refused_at_the_door(
    files: Files, temporal_server: DevServer
) -> None:
    async with staged(_files(files), temporal_server.address, serving=False) as stage:
        for what, (fields, text) in STARTS.items():
            with pytest.raises(Error) as refused:
                await stage.start("child", **fields)
            assert refused.value.kind in ("Invalid", "NotFound"), what
            assert text in refused.value.message, what
        with pytest.raises(Error, match="arguments of t:child: 3000002 bytes are more than Temporal takes at once"):
            await stage.start("child", "x" * 3000000)


async def test_what_an_activity_hands_over_is_limited_by_size(files: Files, temporal_server: DevServer) -> None:
    """Its result, and what it tells with a heartbeat; however large it is."""
    files.activity(
        "large",
        """return { main = function(n)
             local ok, err = require("activity").heartbeat(("x"):rep(n))
             if n < 5000000 then return { ok = ok, kind = err and err:kind() } end
             return ("x"):rep(n)
           end }""",
        {"activity.retry_policy": {"maximum_attempts": 1}},
    )
    _main(_files(files), 'return { funcs.call("t:large", 3000000), told(funcs.call("t:large", 20000000)) }')
    async with staged(files, temporal_server.address) as stage:
        beat, result = await stage.run("main")
        assert beat == {"kind": "Invalid"}
        assert result["kind"] == "Invalid"
        assert "the result of t:large: 20000002 bytes" in result["text"]
