"""Channels, select, coroutines and the run queue."""

from __future__ import annotations

import pytest

from runtime.errors import INTERNAL
from tests.support import fail, host, main, run


def test_an_unbuffered_send_waits_for_its_receiver() -> None:
    body = """
    local ch, log = channel.new(), {}
    coroutine.spawn(function() for i = 1, 3 do ch:send(i) log[#log + 1] = 'sent ' .. i end ch:close() end)
    while true do
      local v, ok = ch:receive()
      if not ok then break end
      log[#log + 1] = 'got ' .. v
    end
    return log
    """
    # A hand-off queues its initiator before its counterpart: here the first receive waited, so the sender initiates.
    assert run(body) == ["sent 1", "got 1", "got 2", "sent 2", "sent 3", "got 3"]


def test_a_buffer_takes_what_fits() -> None:
    body = """
    local ch = channel.new(2)
    local state = {}
    coroutine.spawn(function() for i = 1, 3 do ch:send(i) state[#state + 1] = i end end)
    time.sleep('1ms')
    local before = #state
    local all = {ch:receive(), ch:receive(), (ch:receive())}
    time.sleep('1ms')
    return {before, all[1], all[3] ~= nil, #state}
    """
    assert run(body) == [2, 1, True, 3]


def test_closing() -> None:
    assert run(
        "local ch = channel.new(1) ch:send('x') ch:close() ch:close() local a, b = ch:receive() local c, d = ch:receive() return {a, b, c == nil, d}"
    ) == ["x", True, True, False]
    assert "script.lua:2: send on closed channel" in fail("local ch = channel.new(1) ch:close() ch:send(1)").message
    body = "local ch = channel.new() coroutine.spawn(function() ch:send(1) end) time.sleep('1ms') ch:close() time.sleep('1ms')"
    assert "send on closed channel" in fail(body).message


def test_nil_may_be_sent() -> None:
    assert run("local ch = channel.new(1) ch:send(nil) local v, ok = ch:receive() return {v == nil, ok}") == [
        True,
        True,
    ]


def test_select_takes_the_first_ready_case_in_order() -> None:
    body = """
    local a, b = channel.new(1), channel.new(1)
    a:send('a') b:send('b')
    local first = channel.select{b:case_receive(), a:case_receive()}
    local idle = channel.select{b:case_receive(), default = true}
    local sent = channel.select{b:case_send('again'), default = true}
    return {first.value, first.channel == b, first.ok, idle.default, idle.channel == nil, sent.channel == b, (b:receive())}
    """
    assert run(body) == ["b", True, True, True, True, True, "again"]


def test_select_waits() -> None:
    body = """
    local a, b = channel.new(), channel.new()
    coroutine.spawn(function() time.sleep('2s') b:send(2) end)
    coroutine.spawn(function() time.sleep('1s') a:send(1) end)
    local first = channel.select{a:case_receive(), b:case_receive(), time.after('5s'):case_receive()}
    local second = channel.select{a:case_receive(), b:case_receive(), time.after('5s'):case_receive()}
    local third = channel.select{a:case_receive(), time.after('5s'):case_receive()}
    return {first.value, second.value, type(third.value), time.now():unix()}
    """
    assert run(body, now=0) == [1, 2, "userdata", 7]


def test_receive_with_a_timeout() -> None:
    body = "local v, ok, err = channel.new():receive('3s') return {v == nil, ok, err:kind(), time.now():unix()}"
    assert run(body, now=0) == [True, False, "Timeout", 3]


def test_deadlock_names_every_coroutine() -> None:
    error = fail(
        "local ch = channel.new()\ncoroutine.spawn(function()\nch:send(1) ch:send(2) end)\nch:receive()\nchannel.new():receive()"
    )
    assert error.kind == INTERNAL
    assert "all coroutines are blocked" in error.message
    assert "(receive): script.lua:6" in error.message
    assert "(send): script.lua:4" in error.message


def test_waiting_for_a_message_is_no_deadlock() -> None:
    virtual = host(main("return process.inbox():receive():topic()"))
    virtual.start()
    assert virtual.final is None
    virtual.send("go")
    assert virtual.outcome() == "go"
    virtual.close()


def test_a_failing_coroutine_fails_the_execution() -> None:
    error = fail("coroutine.spawn(function()\nerror('inner') end)\ntime.sleep('1s')")
    assert error.message == "script.lua:3: inner"
    assert "script.lua:3" in (error.stack or "")


def test_when_main_returns_the_others_end() -> None:
    virtual = host(main("coroutine.spawn(function() time.sleep('1h') funcs.call('a:b') end) return 'done'"))
    assert virtual.run() == "done"
    assert all(command.op != "call" for command in virtual.commands)
    virtual.close()


def test_the_run_queue_is_fifo() -> None:
    body = """
    local log = {}
    for i = 1, 3 do coroutine.spawn(function() log[#log + 1] = i time.sleep('1s') log[#log + 1] = i + 10 end) end
    time.sleep('5s')
    return log
    """
    assert run(body) == [1, 2, 3, 11, 12, 13]


def test_plain_coroutines_may_wait_inside() -> None:
    body = """
    local co = coroutine.wrap(function(a)
      time.sleep('1s')
      local b = coroutine.yield(a + 1)
      local v = funcs.call('t:double', b)
      coroutine.yield(v)
      return 'end'
    end)
    local first = co(1)
    local at = time.now():unix()
    return {first, at, co(21), co()}
    """
    assert run(body, now=0, functions={"t:double": lambda x: x * 2}) == [2, 1, 42, "end"]


def test_waiting_crosses_pcall_and_metamethods() -> None:
    body = """
    local t = setmetatable({}, {__index = function(_, k) time.sleep('1s') return k end})
    local ok, v = pcall(function() return t.x .. t.y end)
    return {ok, v}
    """
    assert run(body) == [True, "xy"]


def test_yielding_outside_a_coroutine() -> None:
    assert "attempt to yield from outside a coroutine" in fail("coroutine.yield(1)").message


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("channel.new('x')", "bad argument #1 to 'new' (integer expected, got string)"),
        ("channel.select{1}", "an array of channel cases expected, got number"),
        ("channel.select{}", "select over nothing"),
        ("channel.new().receive()", "bad self of 'receive' (channel expected, got nil"),
        ("coroutine.spawn(1)", "bad argument #1 to 'spawn' (function expected, got number)"),
    ],
)
def test_misuse_raises_at_the_callers_line(body: str, text: str) -> None:
    assert fail(body).message.startswith("script.lua:2: ")
    assert text in fail(body).message


def test_batching_does_not_matter() -> None:
    body = """
    local log = {}
    local a = process.listen('a')
    coroutine.spawn(function() while true do local v = a:receive() log[#log + 1] = 'a' .. v end end)
    while true do
      local m = process.inbox():receive()
      log[#log + 1] = m:topic()
      if m:topic() == 'end' then return log end
    end
    """
    virtual = host(main(body))
    virtual.start()
    for topic, value in [("x", 1), ("a", 1), ("a", 2), ("y", 1), ("a", 3), ("end", 0)]:
        virtual.send(topic, value)
    assert virtual.outcome() == ["x", "a1", "a2", "y", "a3", "end"]
    virtual.replay()
    virtual.replay(one_batch=True)
    virtual.close()
