from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import ALREADY_EXISTS, CANCELED, INTERNAL, INVALID, NOT_FOUND, TIMEOUT, Error
from runtime.lua.program import Programs
from runtime.payload import Payload
from runtime.process import lua_run
from runtime.process.lua_run import MAX_LINES
from tests.process.support import (
    PROCESSES,
    Lines,
    Recorded,
    call,
    function,
    has_settled,
    host,
    load,
    pids,
    process,
    result,
    spawn,
)
from tests.waiting import eventually

WAITS = "return function() return process.inbox():receive():payload():data() end"


async def test_a_function_answers_with_its_first_result(tmp_path: Path) -> None:
    registry = load(tmp_path, {"add.lua": "return function(a, b) return a + b, nil end"}, [])
    async with host(registry) as h:
        assert await call(h, "add", 1, 2) == 3
        assert (await h.call("app:add", [Payload.of(1), Payload.of(2.0)])).data == b"3.0"


async def test_the_entry_names_the_method(tmp_path: Path) -> None:
    source = {"charge.lua": "return { charge = function(n) return { charged = n } end }"}
    async with host(load(tmp_path, source, [function("charge", method="charge")])) as h:
        assert await call(h, "charge", 5) == {"charged": 5}


async def test_functions_call_functions_with_context_and_sender(tmp_path: Path) -> None:
    sources = {
        "inner.lua": "return function() return { ctx = ctx.all(), pid = process.pid() } end",
        "outer.lua": """
            return function()
              local value, err = funcs.new():with_context({ step = "two" }):call("app:inner")
              if err then return nil, err end
              value.outer = process.pid()
              return value
            end
        """,
    }
    async with host(load(tmp_path, sources, []), node="n1") as h:
        value = await call(h, "outer", context={"tenant": "acme", "step": "one"})
    assert value["ctx"] == {"tenant": "acme", "step": "two"}
    assert value["pid"].startswith("{app:inner@n1|")
    assert value["outer"].startswith("{app:outer@n1|")


async def test_calls_go_on_side_by_side(tmp_path: Path) -> None:
    """Each waits for a message that comes only when all are waiting."""
    sources = {
        "wait.lua": "return function(n) process.inbox():receive() return n end",
        "all.lua": """
            return function()
              local futures = {}
              for i = 1, 3 do futures[i] = funcs.async("app:wait", i) end
              return funcs.all(futures)
            end
        """,
    }
    async with host(load(tmp_path, sources, [])) as h:
        running = asyncio.create_task(call(h, "all"))
        for pid in await pids(h, 4):
            if "wait" in pid:
                h.send(pid, "go", [])
        assert await running == [1, 2, 3]


async def test_a_full_pool_makes_callers_wait_but_not_those_that_wait_for_functions(tmp_path: Path) -> None:
    """With one permit, a function that calls itself would wait for its own end if it kept the permit."""
    source = """
        return function(n)
          if n == 0 then return 0 end
          local below, err = funcs.call("app:deep", n - 1)
          if err then return nil, err end
          return below + 1
        end
    """
    async with host(load(tmp_path, {"deep.lua": source}, [function("deep", pool={"size": 1})])) as h:
        assert await call(h, "deep", 5) == 5


async def test_a_pool_limits_executions(tmp_path: Path) -> None:
    """With one permit the second call starts, and so reads its inbox, only after the first has ended."""
    registry = load(tmp_path, {"wait.lua": WAITS}, [function("wait", pool={"size": 1})])
    async with host(registry) as h:
        calls = [asyncio.create_task(call(h, "wait")) for _ in range(2)]
        first, second = await pids(h, 2)
        h.send(second, "go", [Payload.of("second")])
        h.send(first, "go", [Payload.of("first")])
        done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in done] == ["first"]
        assert await calls[1] == "second"


async def test_a_full_pool_holds_up_no_other_function(tmp_path: Path) -> None:
    entries = [function(name, pool={"size": 1}) for name in ("wait", "add")]
    async with host(
        load(tmp_path, {"wait.lua": WAITS, "add.lua": "return function(a, b) return a + b end"}, entries)
    ) as h:
        waiting = asyncio.create_task(call(h, "wait"))
        [pid] = await pids(h)
        assert await call(h, "add", 1, 2) == 3
        h.send(pid, "go", [Payload.of(1)])
        assert await waiting == 1


async def test_activities_are_limited_by_their_worker_unless_their_entry_says_how_many(tmp_path: Path) -> None:
    """The worker has slots for as many as it takes. A pool that is not written has eight."""
    sources = {"free.lua": WAITS, "one.lua": WAITS}
    async with host(load(tmp_path, sources, [function("free"), function("one", pool={"size": 1})])) as h:
        free = [asyncio.create_task(call(h, "free", activity=Recorded())) for _ in range(9)]
        for pid in await pids(h, 9):
            await eventually(partial(has_settled, h, pid))
            h.send(pid, "go", [Payload.of(1)])
        assert await asyncio.gather(*free) == [1] * 9
        ones = [asyncio.create_task(call(h, "one", activity=Recorded())) for _ in range(2)]
        first, second = await pids(h, 2)
        h.send(second, "go", [Payload.of("second")])
        h.send(first, "go", [Payload.of("first")])
        done, _ = await asyncio.wait(ones, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in done] == ["first"]
        assert await ones[1] == "second"


async def test_who_waits_for_a_turn_can_be_cancelled_at_once(tmp_path: Path) -> None:
    """The grace is longer than any test."""
    registry = load(tmp_path, {"wait.lua": WAITS}, [function("wait", pool={"size": 1})])
    async with host(registry, grace=3600.0) as h:
        first = asyncio.create_task(call(h, "wait"))
        [pid] = await pids(h)
        second = asyncio.create_task(call(h, "wait"))
        await pids(h, 2)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        h.send(pid, "go", [Payload.of(1)])
        assert await first == 1


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("return function() error('boom') end", INTERNAL, "bad.lua:1: boom"),
        ("return function() return nil, 'no' end", "", "no"),
        ("return function() return nil, errors.new('Declined', 'card') end", "Declined", "card"),
        ("return function() return { print } end", INVALID, "function"),
        ("return function() channel.new():receive() end", INTERNAL, "all coroutines are blocked"),
        ("return 5", INVALID, "must return a function"),
        ("return function() return require('sql') end", INTERNAL, "sql"),
    ],
)
async def test_failures_arrive_as_errors(tmp_path: Path, source: str, kind: str, message: str) -> None:
    async with host(load(tmp_path, {"bad.lua": source}, [])) as h:
        with pytest.raises(Error) as caught:
            await call(h, "bad")
    assert caught.value.kind == kind
    assert message in caught.value.message


async def test_an_unknown_function_may_yet_be_deployed(tmp_path: Path) -> None:
    source = """
        return function()
          local _, err = funcs.call("app:nowhere")
          return { err:kind(), err:retryable(), err:details().id }
        end
    """
    async with host(load(tmp_path, {"calls.lua": source}, [])) as h:
        with pytest.raises(Error) as caught:
            await call(h, "nowhere")
        assert (caught.value.kind, caught.value.retryable) == (NOT_FOUND, True)
        assert await call(h, "calls") == [NOT_FOUND, True, "app:nowhere"]


async def test_a_spent_budget_fails_the_function_and_not_the_host(tmp_path: Path) -> None:
    sources = {
        "spin.lua": "return function() while true do pcall(function() end) end end",
        "ok.lua": "return function() return 1 end",
    }
    registry = load(tmp_path, sources, [function("spin", limits={"instructions": 100_000})])
    async with host(registry) as h:
        with pytest.raises(Error) as caught:
            await call(h, "spin")
        assert caught.value.kind == "LimitExceeded"
        assert await call(h, "ok") == 1


async def test_messages_reach_the_mailbox_in_order(tmp_path: Path) -> None:
    source = """
        return function(n)
          local inbox, got = process.inbox(), {}
          for i = 1, n do
            local m = inbox:receive()
            got[i] = { m:topic(), m:payload():data(), m:from() }
          end
          return got
        end
    """
    async with host(load(tmp_path, {"collect.lua": source}, [])) as h:
        running = asyncio.create_task(call(h, "collect", 3))
        [pid] = await pids(h)
        for i in range(3):
            h.send(pid, f"t{i}", [Payload.of(i)], "{app:other@local|1}")
        assert await running == [[f"t{i}", i, "{app:other@local|1}"] for i in range(3)]
        with pytest.raises(Error, match="not found") as caught:
            h.send(pid, "late", [])
    assert caught.value.kind == NOT_FOUND


async def test_scripts_send_to_each_other_by_pid(tmp_path: Path) -> None:
    sources = {
        "wait.lua": WAITS,
        "tell.lua": """
            return function(pid)
              local ok, err = process.send(pid, "news", { n = 1 })
              local _, gone = process.send("{app:wait@local|1}", "news")
              local _, odd = process.send("nobody", "news")
              return { ok = ok, gone = gone:kind(), text = tostring(gone), odd = tostring(odd) }
            end
        """,
    }
    async with host(load(tmp_path, sources, [])) as h:
        waiting = asyncio.create_task(call(h, "wait"))
        [pid] = await pids(h)
        told = await call(h, "tell", pid)
        assert await waiting == {"n": 1}
    assert told["ok"] is True
    assert told["gone"] == NOT_FOUND
    assert "not found" in told["text"]
    assert "{app:wait@local|1}" in told["text"]
    assert "nobody" in told["odd"]


async def test_what_was_sent_before_the_end_is_delivered(tmp_path: Path) -> None:
    """The send is begun in the step that ends the function."""
    sources = {
        "wait.lua": WAITS,
        "tell.lua": """
            return function(pid)
              coroutine.spawn(function() process.send(pid, "news", "in time") end)
              time.sleep("1ns")
              return true
            end
        """,
    }
    async with host(load(tmp_path, sources, [])) as h:
        waiting = asyncio.create_task(call(h, "wait"))
        [pid] = await pids(h)
        assert await call(h, "tell", pid) is True
        assert await waiting == "in time"


async def test_a_timeout_cancels_and_fails_with_timeout(tmp_path: Path) -> None:
    sources = {
        "slow.lua": "return function() time.sleep('1h') end",
        "calls.lua": """
            return function()
              local _, err = funcs.new():with_options({ timeout = 20 }):call("app:slow")
              return { err:kind(), err:details().timeout_type }
            end
        """,
    }
    async with host(load(tmp_path, sources, [function("slow", timeout="1h")])) as h:
        with pytest.raises(Error) as caught:
            await call(h, "slow", timeout=0.02)
        assert caught.value.kind == TIMEOUT
        assert await call(h, "calls") == [TIMEOUT, "start_to_close"]


async def test_cancelling_a_call_lets_the_script_clean_up(tmp_path: Path) -> None:
    source = """
        return function()
          print("asleep")
          local _, err = time.sleep("1h")
          logger:info("cleaning", { kind = err:kind() })
          return nil, err
        end
    """
    lines = Lines()
    async with host(load(tmp_path, {"slow.lua": source}, []), log=lines) as h:
        running = asyncio.create_task(call(h, "slow"))
        await eventually(lambda: lines.seen)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    level, message, about = lines.seen[1]
    assert (level, message, about["fields"]) == ("info", "cleaning", {"kind": CANCELED})
    assert about["entry"] == "app:slow"
    assert about["at"] == "slow.lua:5"


async def test_a_script_that_ignores_cancellation_is_abandoned(tmp_path: Path) -> None:
    source = """
        return function()
          process.events()
          while true do time.sleep("1h") end
        end
    """
    async with host(load(tmp_path, {"deaf.lua": source}, []), grace=0.0) as h:
        with pytest.raises(Error) as caught:
            await call(h, "deaf", timeout=0.01)
        assert caught.value.kind == TIMEOUT
        assert not h.running


async def test_a_callee_says_whether_its_end_is_waited_for(tmp_path: Path) -> None:
    sources = {
        "slow.lua": "return { main = function() return time.sleep('1h') end }",
        "main.lua": """
            return { main = function()
              local seen = {}
              for i, id in ipairs({ "app:slow", "app:waited" }) do
                local future = funcs.async(id)
                time.sleep("1ms")
                future:cancel()
                local at_once = future:is_complete()
                seen[i] = { at_once, select(2, future:await()):kind() }
              end
              return seen
            end }
        """,
    }
    waited = {**function("waited"), "source": "file://slow.lua"}
    waited["meta"] = {"options": {"activity.wait_for_cancellation": True}}
    async with host(load(tmp_path, sources, [function("slow"), waited, function("main")])) as h:
        assert await call(h, "main") == [[True, CANCELED], [False, CANCELED]]


async def test_a_future_that_is_canceled_cancels_its_function(tmp_path: Path) -> None:
    sources = {
        "slow.lua": "return function() time.sleep('1h') return nil, errors.new('Canceled', 'stopped') end",
        "calls.lua": """
            return function()
              local f = funcs.async("app:slow")
              f:cancel()
              local _, err = f:result()
              return { f:is_canceled(), err:kind() }
            end
        """,
    }
    async with host(load(tmp_path, sources, [])) as h:
        assert await call(h, "calls") == [True, CANCELED]


async def test_closing_ends_what_is_under_way_and_refuses_more(tmp_path: Path) -> None:
    async with host(load(tmp_path, {"wait.lua": "return function() return time.sleep('1h') end"}, [])) as h:
        running = asyncio.create_task(call(h, "wait"))
        await pids(h)
        await h.close(0)
        with pytest.raises(Error) as caught:
            await running
        assert caught.value.kind == CANCELED
        with pytest.raises(Error, match="shutting down"):
            await call(h, "wait")


async def test_logging_carries_pid_place_and_fields(tmp_path: Path) -> None:
    source = """
        return function()
          print("hello", 1)
          logger:named("db"):with({ a = 1 }):warn("slow", { b = { 2 } })
        end
    """
    lines = Lines()
    async with host(load(tmp_path, {"talk.lua": source}, []), log=lines) as h:
        await call(h, "talk")
    assert [(level, message) for level, message, _ in lines.seen] == [("info", "hello\t1"), ("warn", "slow")]
    about = lines.seen[1][2]
    assert about["logger"] == "db"
    assert about["fields"] == {"a": 1, "b": [2]}
    assert about["pid"].startswith("{app:talk@local|")
    assert about["at"] == "talk.lua:4"


async def test_a_script_that_logs_without_end_is_cut_short(tmp_path: Path) -> None:
    source = (
        "return function() for i = 1, 10100 do print(i) if i % 1000 == 0 then time.sleep('1ns') end end return true end"
    )
    lines = Lines()
    async with host(load(tmp_path, {"talk.lua": source}, []), log=lines) as h:
        assert await call(h, "talk") is True
    assert len(lines.seen) == MAX_LINES
    assert lines.seen[-1][:2] == ("warn", f"more than {MAX_LINES} lines: the rest is dropped")


async def test_the_lines_of_a_function_are_counted_for_its_life_and_of_a_process_for_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = """
        return function()
          for i = 1, 5 do print(i) end
          process.inbox():receive()
          for i = 6, 10 do print(i) end
        end
    """
    monkeypatch.setattr(lua_run, "MAX_LINES", 3)
    dropped = "more than 3 lines: the rest is dropped"
    for entry, said in (
        (function("talk"), ["1", "2", dropped]),
        (process("talk"), ["1", "2", dropped, "6", "7", dropped]),
    ):
        lines = Lines()
        async with host(load(tmp_path, {"talk.lua": source}, [PROCESSES, entry]), log=lines) as h:
            if entry["kind"] == "process.lua":
                ends = asyncio.create_task(result(h, spawn(h, "talk")))
            else:
                ends = asyncio.create_task(call(h, "talk"))
            [pid] = await pids(h)
            run = h.find(pid)
            assert isinstance(run, lua_run.LuaRun)
            await run.settled.wait()
            run._lines_since -= 61
            h.send(pid, "on", [])
            await ends
        assert [message for _, message, _ in lines.seen] == said


async def test_another_registry_serves_the_next_call(tmp_path: Path) -> None:
    registry = load(tmp_path, {"f.lua": "return function() return 1 end"}, [])
    async with host(registry) as h:
        assert await call(h, "f") == 1
        later = load(tmp_path, {"f.lua": "return function() return 2 end"}, [])
        h.use(later, Programs(later))
        assert await call(h, "f") == 2


async def test_a_call_that_was_on_its_way_finds_the_function_that_a_release_took_away(tmp_path: Path) -> None:
    """The newest code of one that is still there, and of one that is gone the code that the caller knew."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    old = load(tmp_path / "old", {f"{f}.lua": f"return function() return 'old {f}' end" for f in ("gone", "kept")}, [])
    new = load(tmp_path / "new", {"kept.lua": "return function() return 'new kept' end"}, [])
    async with host(old) as h:
        h.use(new, Programs(new))
        assert await call(h, "gone", former=old) == "old gone"
        assert await call(h, "kept", former=old) == "new kept"
        with pytest.raises(Error) as caught:
            await call(h, "gone")
        assert (caught.value.kind, caught.value.retryable) == (NOT_FOUND, True)


async def test_a_name_stands_for_a_pid_until_its_process_ends(tmp_path: Path) -> None:
    sources = {
        "wait.lua": """
            return function(name)
              local ok = process.registry.register(name)
              assert(process.registry.register(name) == ok)
              return process.inbox():receive():payload():data()
            end
        """,
        "tell.lua": """
            return function(name, pid)
              local _, taken = process.registry.register(name)
              local found = process.registry.lookup(name)
              process.monitor(found)
              local sent = process.send(name, "news", "by name")
              process.events():receive()
              local _, gone = process.registry.lookup(name)
              return { taken:kind(), found == pid, sent, gone:kind(), process.registry.unregister(name) }
            end
        """,
    }
    async with host(load(tmp_path, sources, [])) as h:
        waiting = asyncio.create_task(call(h, "wait", "desk"))
        [pid] = await pids(h)
        await eventually(lambda: h.names.get("desk"))
        assert await call(h, "tell", "desk", pid) == [ALREADY_EXISTS, True, True, NOT_FOUND, False]
        assert await waiting == "by name"


async def test_a_function_that_ends_at_once_leaves_nothing_behind(tmp_path: Path) -> None:
    """It has no task of its own, gives its turn back, and what it said before its end is heard."""
    sources = {
        "says.lua": "return function(n) logger:info('said', { n = n }) return n end",
        "fails.lua": "return function() logger:info('about to fail') error('no') end",
    }
    entries = [function(name, pool={"size": 1}) for name in ("says", "fails")]
    lines = Lines()
    tasks: list[set[asyncio.Task[Any]]] = []

    def log(*line: Any) -> None:
        lines(*line)
        tasks.append(asyncio.all_tasks())

    async with host(load(tmp_path, sources, entries), log=log) as h:
        before = asyncio.all_tasks()
        assert [await call(h, "says", n) for n in range(3)] == [0, 1, 2]
        with pytest.raises(Error, match="no"):
            await call(h, "fails")
        with pytest.raises(Error, match="no"):
            await call(h, "fails")
        assert [*tasks, asyncio.all_tasks()] == [before] * 6
        assert h.running == []
    assert [about["fields"] for _, _, about in lines.seen[:3]] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert [message for _, message, _ in lines.seen[3:]] == ["about to fail", "about to fail"]


async def test_a_first_step_that_is_terminated_is_over_at_once(tmp_path: Path) -> None:
    """Whoever waits hears of it, its PID is nobody's any more, and the next one has its turn."""
    sources = {"add.lua": "return function(a, b) return a + b end"}
    async with host(load(tmp_path, sources, [function("add", pool={"size": 1})])) as h:
        calling = asyncio.create_task(call(h, "add", 1, 2))
        await asyncio.sleep(0)  # the step has been handed to a thread, and its outcome not yet to this loop
        (pid,) = h.running
        h.terminate(pid, "enough")
        assert h.running == []
        with pytest.raises(Error, match="enough") as ended:
            await calling
        assert ended.value.kind == CANCELED
        assert await call(h, "add", 1, 2) == 3


async def test_a_log_that_fails_ends_the_function_and_not_the_host(tmp_path: Path) -> None:
    def failing(level: str, message: str, about: Mapping[str, Any], /) -> None:
        raise RuntimeError("the disk is full")

    sources = {"says.lua": "return function() logger:info('said') end", "add.lua": "return function() return 3 end"}
    async with host(load(tmp_path, sources, []), log=failing) as h:
        with pytest.raises(Error) as failed:
            await call(h, "says")
        assert failed.value.kind == INTERNAL
        assert await call(h, "add") == 3


async def test_an_unknown_id_says_which_one_was_meant(tmp_path: Path) -> None:
    sources = {
        "asks.lua": """
            return function()
              local said = {}
              local function add(_, err) said[#said + 1] = err:message() end
              add(funcs.call("app:chrage"))
              add(process.spawn("app:countr", "app:processes"))
              add(process.spawn("app:counter", "app:proceses"))
              add(funcs.new():with_options({ ["activity.summry"] = "x" }):call("app:charge"))
              add(env.get("CURENCY"))
              return said
            end
        """,
        "charge.lua": "return function() end",
        "counter.lua": WAITS,
    }
    entries = [
        function("asks", meta={"env": {"variables": ["app:currency"]}}),
        process("counter"),
        PROCESSES,
        {"name": "currency", "kind": "env.variable", "variable": "CURRENCY", "default": "EUR"},
        # Nearer, but nothing that could be called, spawned, or spawned on.
        {"name": "chrages", "kind": "library.lua", "source": "file://charge.lua"},
        function("countrs", source="file://charge.lua"),
        process("procesess", source="file://charge.lua"),
    ]
    async with host(load(tmp_path, sources, entries)) as h:
        said = await call(h, "asks")
    meant = ["app:charge", "app:counter", "app:processes", "activity.summary", "CURRENCY"]
    assert [text.rpartition('did you mean "')[2].removesuffix('"?') for text in said] == meant


async def test_the_error_that_a_function_does_not_look_at_is_told(tmp_path: Path) -> None:
    registry = load(tmp_path, {"deaf.lua": "return function()\n  process.send('nobody', 'topic')\nend"}, [])
    lines = Lines()
    async with host(registry, log=lines) as h:
        await call(h, "deaf")
    [(level, message, about)] = lines.seen
    assert (level, about["at"]) == ("warn", "deaf.lua:2")
    assert message.startswith("nobody looks at the error of process.send: process not found: nobody")
