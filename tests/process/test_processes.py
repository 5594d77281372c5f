"""Processes on a host: their lives, their mailboxes, and what becomes of those that fail, spin or are upgraded."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from runtime.contracts import Message
from runtime.errors import ALREADY_EXISTS, CANCELED, INVALID, LIMIT_EXCEEDED, NOT_FOUND, RATE_LIMITED, TIMEOUT, Error
from runtime.lua.program import Programs
from runtime.payload import Payload
from runtime.process import event_queue, watches
from runtime.process.command_runner import CommandRunner
from runtime.process.exit_records import ExitRecords
from runtime.process.lua_run import LuaRun
from runtime.registry import Registry
from tests.process.support import (
    PROCESSES,
    Lines,
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

#: Answers "get" with what it has counted, ends at "stop" with the same.
COUNTER = """
    return function(n)
      n = n or 0
      local inbox = process.inbox()
      while true do
        local m = inbox:receive()
        if m:topic() == "add" then n = n + m:payload():data() end
        if m:topic() == "get" then process.send(m:from(), "n", n) end
        if m:topic() == "stop" then return n end
        if m:topic() == "fail" then error(errors.new("Declined", "no funds")) end
        if m:topic() == "upgrade" then process.upgrade(m:payload() and m:payload():data() or nil, n) end
      end
    end
"""
#: Forwards what it is sent to whoever it was told to.
ECHO = """
    return function(to)
      local inbox = process.inbox()
      while true do
        local m = inbox:receive()
        process.send(to, m:topic(), process.pid())
      end
    end
"""


def registry(directory: Path, body: str = "", more: dict[str, str] | None = None, **host_fields: Any) -> Registry:
    """`app:calls` is a function of that body; `app:counter`, `app:echo` and `more` are processes."""
    sources = {"counter.lua": COUNTER, "echo.lua": ECHO, **(more or {})}
    entries = [{**PROCESSES, **host_fields}, *(process(Path(name).stem) for name in sources)]
    return load(directory, {**sources, "calls.lua": f"return function(...) {body} end"}, entries)


def send(target: Any, pid: str, topic: str, *args: Any) -> None:
    target.send(pid, topic, [Payload.of(arg) for arg in args])


async def test_a_process_lives_on_when_its_spawner_has_ended(tmp_path: Path) -> None:
    body = 'return process.spawn("app:counter", "app:processes", 40)'
    async with host(registry(tmp_path, body), node="n1") as h:
        pid = await call(h, "calls")
        assert pid.startswith("{app:processes@n1|")
        send(h, pid, "add", 2)
        send(h, pid, "stop")
        assert await result(h, pid) == 42
        assert h.running == []


async def test_messages_sent_while_it_starts_are_kept_in_order(tmp_path: Path) -> None:
    body = """
        local pid = process.with_message("first", 1):with_message("second", 2):spawn("app:lists", "app:processes", 4)
        process.send(pid, "third", 3)
        process.send(pid, "fourth", 4)
        return pid
    """
    lists = """
        return function(n)
          local inbox, got = process.inbox(), {}
          for i = 1, n do
            local m = inbox:receive()
            got[i] = { m:topic(), m:payload():data(), m:from():match("^{(.-)@") }
          end
          return got
        end
    """
    async with host(registry(tmp_path, body, {"lists.lua": lists})) as h:
        pid = await call(h, "calls")
        assert await result(h, pid) == [
            [topic, n, "app:calls"] for n, topic in enumerate(["first", "second", "third", "fourth"], 1)
        ]


async def test_exec_waits_for_its_value_and_passes_the_context_on(tmp_path: Path) -> None:
    body = 'return process.with_context({ step = 2 }):exec("app:tells", "app:processes", "x")'
    tells = "return function(x) return { x, ctx.all(), process.id() } end"
    async with host(registry(tmp_path, body, {"tells.lua": tells})) as h:
        assert await call(h, "calls", context={"tenant": "a"}) == ["x", {"tenant": "a", "step": 2}, "app:tells"]


async def test_calling_a_process_runs_it_on_its_default_host(tmp_path: Path) -> None:
    entry = process("twice", meta={"default_host": "processes"})
    sources = {
        "twice.lua": "return function(n) return 2 * n end",
        "calls.lua": "return function() return funcs.call('app:twice', 21) end",
    }
    async with host(load(tmp_path, sources, [PROCESSES, entry])) as h:
        assert await call(h, "calls") == 42


async def test_giving_up_an_exec_cancels_the_process(tmp_path: Path) -> None:
    body = 'return process.exec("app:waits", "app:processes")'
    waits = """
        return function()
          local event = process.events():receive()
          print(event.kind, event.reason, event.from)
          return nil, errors.new(errors.CANCELED, "as asked")
        end
    """
    lines = Lines()
    async with host(registry(tmp_path, body, {"waits.lua": waits}), log=lines) as h:
        running = asyncio.create_task(call(h, "calls"))
        await eventually(lambda: len(h.running) == 2)
        caller, _ = h.running
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await eventually(lambda: not h.running)
    assert [message for _, message, _ in lines.seen] == [f"pid.cancel\tcanceled by its caller\t{caller}"]


async def test_a_name_is_spawned_once_and_messaged_after(tmp_path: Path) -> None:
    body = """
        local spawner = process.with_name("the counter"):with_message("add", 5)
        local first = spawner:spawn("app:counter", "app:processes", 1)
        local second = spawner:spawn("app:counter", "app:processes", 100)
        local refused, err = spawner:with_options({ ["workflow.id_conflict_policy"] = "fail" }):spawn("app:counter", "app:processes")
        local _, same = spawner:with_options({ ["workflow.execution_error_when_already_started"] = true }):spawn("app:counter", "app:processes")
        process.send("the counter", "stop")
        return { first, second, same:details().pid, err:kind(), err:details().pid, same:kind() }
    """
    async with host(registry(tmp_path, body)) as h:
        first, second, same, kind, existing, same_kind = await call(h, "calls")
        assert first == second == existing == same
        assert kind == same_kind == ALREADY_EXISTS
        assert await result(h, first) == 11


async def test_terminate_existing_gives_the_name_to_a_new_process(tmp_path: Path) -> None:
    body = """
        local spawner = process.with_name("one")
        local first = spawner:spawn("app:counter", "app:processes")
        local second = spawner:with_options({ ["workflow.id_conflict_policy"] = "terminate_existing" }):spawn("app:counter", "app:processes")
        return { first, second, process.registry.lookup("one") }
    """
    async with host(registry(tmp_path, body)) as h:
        first, second, named = await call(h, "calls")
        assert second == named != first
        with pytest.raises(Error, match="replaced") as caught:
            await h.result(first)
        assert caught.value.kind == CANCELED


async def test_names_end_with_their_process(tmp_path: Path) -> None:
    body = """
        local pid = process.spawn_monitored("app:counter", "app:processes")
        local taken = process.spawn("app:counter", "app:processes")
        assert(process.registry.register("n", pid))
        assert(process.registry.register("n", pid))
        local _, err = process.registry.register("n", taken)
        process.send("n", "stop")
        process.events():receive()
        local _, gone = process.registry.lookup("n")
        return { err:kind(), gone:kind(), process.registry.register("n", taken), process.registry.unregister("n"), process.registry.unregister("n") }
    """
    async with host(registry(tmp_path, body)) as h:
        assert await call(h, "calls") == [ALREADY_EXISTS, NOT_FOUND, True, True, False]


async def test_what_has_ended_cannot_be_addressed(tmp_path: Path) -> None:
    body = """
        local pid = ...
        local out = {}
        for _, err in ipairs({
          select(2, process.send(pid, "t")), select(2, process.cancel(pid)), select(2, process.terminate(pid)),
        }) do out[#out + 1] = { err:kind(), err:retryable(), err:message():find("not found", 1, true) ~= nil, err:message():find(pid, 1, true) ~= nil } end
        return out
    """
    async with host(registry(tmp_path, body)) as h:
        pid = spawn(h, "counter")
        send(h, pid, "stop")
        await h.result(pid)
        assert await call(h, "calls", pid) == [[NOT_FOUND, False, True, True]] * 3


async def test_an_end_that_is_forgotten_is_told_from_one_that_never_was(tmp_path: Path) -> None:
    async with host(registry(tmp_path, "return 1")) as h:
        before, pid, after = (spawn(h, "counter") for _ in range(3))
        for each in (before, pid, after):
            send(h, each, "stop")
            await h.result(each)
        h._ends = ExitRecords()
        for each in (before, pid, after):
            end = h.end_of(each)
            assert end is not None
            assert end.error is not None
            assert end.error.message.endswith("it is no longer known")
        first, last = (int(each.rpartition("|")[2].rstrip("}")) for each in (before, after))
        assert h.end_of(before.replace(str(first), str(first - 1))) is None
        assert h.end_of(after.replace(str(last), str(last + 1))) is None


async def test_a_closing_host_waits_for_its_processes_as_its_entry_says(tmp_path: Path) -> None:
    """What it is closed with is longer than any test."""
    deaf = "return function() process.events() while true do time.sleep('1h') end end"
    async with host(registry(tmp_path, more={"deaf.lua": deaf}, lifecycle={"stop_timeout": "1ms"})) as h:
        spawn(h, "deaf")
        await h.close(3600)
        assert h.running == []


async def test_an_upgrade_keeps_pid_names_and_unread_messages(tmp_path: Path) -> None:
    after = """
        return function(n)
          local got = { n, process.id() }
          local inbox = process.inbox()
          while true do
            local m = inbox:receive()
            if m:topic() == "stop" then return got end
            got[#got + 1] = m:topic()
          end
        end
    """
    async with host(registry(tmp_path, more={"after.lua": after})) as h:
        pid = spawn(h, "counter", 1, id="c")
        send(h, pid, "add", 1)
        send(h, pid, "upgrade", "app:after")
        send(h, pid, "kept")
        send(h, h.names.lookup("c"), "stop")
        assert await result(h, pid) == [2, "app:after", "kept"]


async def test_an_upgrade_keeps_the_context(tmp_path: Path) -> None:
    more = {
        "before.lua": "return function() process.upgrade('app:after') end",
        "after.lua": "return function() return ctx.all() end",
    }
    async with host(registry(tmp_path, more=more)) as h:
        assert await result(h, spawn(h, "before", context={"tenant": "acme"})) == {"tenant": "acme"}


async def test_a_description_says_where_each_coroutine_waits(tmp_path: Path) -> None:
    async with host(registry(tmp_path)) as h:
        pid = spawn(h, "counter")
        await eventually(lambda: has_settled(h, pid))
        [main] = (await h.describe(pid, stack=True)).stack
        assert [frame for frame in main["frames"] if frame.startswith("counter.lua:6 ")]
        assert (await h.describe(pid)).stack == []


async def test_an_upgrade_keeps_what_a_listener_has_not_received(tmp_path: Path) -> None:
    before = """
        return function()
          local notes, go = process.listen("note"), process.listen("go")
          notes:receive()
          go:receive()
          process.upgrade("app:after")
        end
    """
    after = """
        return function()
          local notes, got = process.listen("note"), {}
          for i = 1, 3 do got[i] = notes:receive() end
          return got
        end
    """
    async with host(registry(tmp_path, more={"before.lua": before, "after.lua": after})) as h:
        pid = spawn(h, "before")
        for n in range(4):
            send(h, pid, "note", n)
        send(h, pid, "go")
        assert await result(h, pid) == [1, 2, 3]


async def test_an_upgrade_without_an_entry_takes_the_newest_code(tmp_path: Path) -> None:
    first = registry(tmp_path, more={"v.lua": "return function() process.inbox():receive() process.upgrade() end"})
    async with host(first) as h:
        pid = spawn(h, "v")
        await eventually(lambda: has_settled(h, pid))
        second = registry(tmp_path, more={"v.lua": "return function() return 'second' end"})
        h.use(second, Programs(second))
        send(h, pid, "go")
        assert await result(h, pid) == "second"


async def test_an_upgrade_to_what_is_no_process_fails_it(tmp_path: Path) -> None:
    async with host(registry(tmp_path)) as h:
        for entry, kind in (("app:nothing", NOT_FOUND), ("app:calls", INVALID)):
            pid = spawn(h, "counter")
            send(h, pid, "upgrade", entry)
            with pytest.raises(Error) as caught:
                await h.result(pid)
            assert caught.value.kind == kind


async def test_outcomes_of_the_old_program_do_not_reach_the_new_one(tmp_path: Path) -> None:
    """Both number their commands from 1: the first program's call would answer the second's."""
    more = {
        "old.lua": """
            return function()
              local f = funcs.async("app:calls")
              process.send(process.pid(), "x")
              process.upgrade("app:new")
            end
        """,
        "new.lua": "return function() return { (funcs.call('app:later')) } end",
    }
    sources = {
        **more,
        "calls.lua": "return function() return 'old' end",
        "later.lua": "return function() time.sleep('20ms') return 'new' end",
    }
    entries = [PROCESSES, process("old"), process("new")]
    async with host(load(tmp_path, sources, entries)) as h:
        assert await result(h, spawn(h, "old")) == ["new"]


async def test_a_function_cannot_be_upgraded(tmp_path: Path) -> None:
    async with host(registry(tmp_path, "process.upgrade()")) as h:
        with pytest.raises(Error, match="only a workflow or process can be upgraded"):
            await call(h, "calls")


async def test_a_full_host_refuses_until_one_has_ended(tmp_path: Path) -> None:
    body = 'local pid, err = process.spawn("app:counter", "app:processes") return pid or { err:kind(), err:details().max_processes }'
    async with host(registry(tmp_path, body, max_processes=1)) as h:
        pid = await call(h, "calls")
        assert await call(h, "calls") == [RATE_LIMITED, 1]
        send(h, pid, "stop")
        await h.result(pid)
        assert isinstance(await call(h, "calls"), str)


async def test_spinning_processes_end_at_their_budget_and_stall_nobody(tmp_path: Path) -> None:
    """More of them than there are threads."""
    spins = "return function() while true do pcall(function() end) end end"
    async with host(registry(tmp_path, more={"spins.lua": spins})) as h:
        counter = spawn(h, "counter")
        spinning = [spawn(h, "spins") for _ in range(8)]
        send(h, counter, "add", 1)
        send(h, counter, "stop")
        assert await result(h, counter) == 1
        for pid in spinning:
            with pytest.raises(Error) as caught:
                await h.result(pid)
            assert caught.value.kind == LIMIT_EXCEEDED


async def test_each_message_has_a_budget_but_not_the_thread(tmp_path: Path) -> None:
    """A hundred messages that take their time are stepped one by one, so that others have their turn in between."""
    works = (
        "return function(n) local inbox = process.inbox() for i = 1, n do inbox:receive() for _ = 1, 3e5 do end end end"
    )
    async with host(registry(tmp_path, more={"works.lua": works})) as h:
        pids = [spawn(h, "works", 100, messages=[Message("m")] * 100) for _ in range(8)]
        counter = spawn(h, "counter", messages=[Message("stop")])
        assert await result(h, counter) == 0
        assert set(pids) & set(h.running)
        for pid in pids:
            await h.result(pid)


async def test_a_busy_process_takes_only_so_many_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends more is told so, and what was taken is all there once it reads."""
    body = """
        local pid, sent, large, err = ...
        local taken = 0
        for i = 1, sent do
          local ok, problem = process.send(pid, "n", i)
          if ok then taken = taken + 1 else err = problem end
        end
        local ok, too_large = process.send(pid, "large", string.rep("x", large))
        return { taken, err:kind(), err:retryable(), err:details().pid == pid, ok == nil, too_large:kind() }
    """
    reads = """
        return function(n)
          local inbox, sum = process.inbox(), 0
          for i = 1, n do sum = sum + inbox:receive():payload():data() end
          return sum
        end
    """
    monkeypatch.setitem(event_queue.MAX_WAITING, "message", 100)
    monkeypatch.setattr(event_queue, "MAX_BYTES", 1000)
    async with host(registry(tmp_path, body, {"reads.lua": reads})) as h:
        pid = spawn(h, "reads", 100)
        run = h.find(pid)
        assert isinstance(run, LuaRun)
        await run.settled.wait()
        with run._stepping:  # as a step does that takes long
            send(h, pid, "n", 1)
            await eventually(lambda: run.waiting == 0)  # it is given this one, and waits for its turn
            taken, *rest = await call(h, "calls", pid, 150, 2000)
            assert [taken, *rest] == [100, RATE_LIMITED, True, True, True, RATE_LIMITED]
            with pytest.raises(Error, match="too many messages") as full:
                send(h, pid, "n", 1)
            assert full.value.kind == RATE_LIMITED
            monkeypatch.setitem(event_queue.MAX_WAITING, "cancel", 1)
            h.cancel(pid, "enough", "{app:calls@local|1}")
            with pytest.raises(Error, match="too many messages"):
                h.cancel(pid, "enough", "{app:calls@local|1}")
            run.cancel("host shutdown")
        assert await result(h, pid) == 1 + sum(range(1, 100))


async def test_a_process_that_never_reads_ends_by_its_own_memory(tmp_path: Path) -> None:
    """What it was given counts as its memory; whoever sends then is told that it is gone."""
    body = """
        local pid = ...
        while true do
          local ok, err = process.send(pid, "more", string.rep("x", 100000))
          if not ok then return err:kind() end
        end
    """
    entries = [PROCESSES, process("deaf", limits={"memory": "8MiB"}), function("calls", limits={"instructions": 10**9})]
    sources = {
        "deaf.lua": 'return function() process.listen("other"):receive() end',
        "calls.lua": f"return function(...) {body} end",
    }
    async with host(load(tmp_path, sources, entries)) as h:
        pid = spawn(h, "deaf")
        gone = asyncio.create_task(result(h, pid))
        assert await call(h, "calls", pid) == NOT_FOUND
        with pytest.raises(Error) as spent:
            await gone
        assert (spent.value.kind, (spent.value.details or {}).get("limit")) == (LIMIT_EXCEEDED, "memory")


async def test_a_process_watches_only_so_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = """
        local pids = ...
        local first, second = assert(process.monitor(pids[1])), assert(process.link(pids[2]))
        local none, err = process.monitor(pids[3])
        local _, spawned = process.spawn_monitored("app:counter", "app:processes")
        local again = process.link(pids[1])
        process.unmonitor(pids[1]); process.unlink(pids[1])
        local freed = process.monitor(pids[3])
        process.unlink(pids[2])
        return { first, second, none == nil, err:kind(), err:details().max_watches, spawned:kind(), again, freed }
    """
    monkeypatch.setattr(watches, "MAX_WATCHES", 2)
    async with host(registry(tmp_path, body)) as h:
        pids = [spawn(h, "counter") for _ in range(3)]
        assert await call(h, "calls", pids) == [True, True, True, RATE_LIMITED, 2, RATE_LIMITED, True, True]
        assert h.running == pids


async def test_a_name_has_no_control_characters(tmp_path: Path) -> None:
    body = """
        local kinds = {}
        for i, name in ipairs({ "a\\0b", "a\\nb", "\\127" }) do
          local ok, err = process.registry.register(name)
          kinds[i] = err:kind()
        end
        return kinds
    """
    async with host(registry(tmp_path, body)) as h:
        assert await call(h, "calls") == [INVALID] * 3


async def test_what_a_process_did_is_forgotten(tmp_path: Path) -> None:
    """One that lives on keeps nothing of the commands that are done."""
    busy = """
        return function()
          process.send(process.registry.lookup("counter"), "add", 1)
          for i = 1, 50 do process.send("nobody" .. i, "x"); time.sleep("1us") end
          process.inbox():receive()
        end
    """
    async with host(registry(tmp_path, more={"busy.lua": busy})) as h:
        spawn(h, "counter", id="counter")
        run = h.find(spawn(h, "busy"))
        assert isinstance(run, LuaRun)
        commands = run._commands
        assert isinstance(commands, CommandRunner)
        await eventually(lambda: commands.is_settled and not commands._tasks and run.settled.is_set())
        assert commands._order == {}


async def test_closing_cancels_processes_and_leaves_none(tmp_path: Path) -> None:
    tidy = "return function() time.sleep('1h') print('tidied') end"
    lines = Lines()
    async with host(
        registry(
            tmp_path,
            more={
                "tidy.lua": tidy,
                "deaf.lua": "return function() process.events() channel.new(0):case_receive() while true do time.sleep('1h') end end",
            },
        ),
        log=lines,
    ) as h:
        tidy_pid, deaf = spawn(h, "tidy"), spawn(h, "deaf")
        await eventually(lambda: has_settled(h, tidy_pid) and has_settled(h, deaf))
        await h.close(0.05)
        assert h.running == []
        with pytest.raises(Error, match="shutting down"):
            spawn(h, "tidy")
    assert [message for _, message, _ in lines.seen] == ["tidied"]


async def test_closing_asks_processes_to_end_and_waits_for_functions(tmp_path: Path) -> None:
    tidy = "return function() return process.events():receive().reason end"
    async with host(registry(tmp_path, "return process.inbox():receive():topic()", {"tidy.lua": tidy})) as h:
        pid, calling = spawn(h, "tidy"), asyncio.create_task(call(h, "calls"))
        _, function = await pids(h, 2)
        closing = asyncio.create_task(h.close(3600))
        assert await result(h, pid) == "host shutdown"
        send(h, function, "the last one")
        assert await calling == "the last one"
        await closing


async def test_whoever_waits_too_short_for_a_process_is_told_that_it_still_runs(tmp_path: Path) -> None:
    async with host(registry(tmp_path)) as h:
        pid = spawn(h, "counter")
        with pytest.raises(Error, match="still runs") as late:
            await h.result(pid, 0)
        assert (late.value.kind, late.value.details) == (TIMEOUT, {"waiting": True})
        send(h, pid, "fail")
        with pytest.raises(Error, match="no funds"):
            await h.result(pid, 3600)


async def test_a_process_of_another_host_is_not_found_and_says_where_it_is(tmp_path: Path) -> None:
    body = """
      local seen = {}
      for _, act in ipairs({ "send", "monitor", "link", "cancel", "terminate" }) do
        local ok, err = process[act]("{app:processes@elsewhere|7}", "x")
        seen[#seen + 1] = { act, ok == nil, err:kind(), err:retryable(), err:details().node, tostring(err) }
      end
      return seen"""
    sources = {"asks.lua": f"return function() {body} end"}
    async with host(load(tmp_path, sources, [PROCESSES])) as target:
        for act, failed, kind, retryable, node, text in await call(target, "asks"):
            assert (failed, kind, retryable, node) == (True, "NotFound", False, "elsewhere"), act
            assert "process not found: {app:processes@elsewhere|7}; it is of the host elsewhere" in text
