"""Cancellation of a run: trapped, untrapped, and what compensation does meanwhile."""

from __future__ import annotations

from typing import Any

from runtime.errors import CANCELED, Error
from runtime.lua import protocol
from tests.support import host, main


def cancelled(body: str, reason: str = "stop", **options: Any) -> Any:
    """The outcome of a script that is cancelled once it waits; what waits for time afterwards gets it."""
    virtual = host(main(body), **options)
    try:
        virtual.start()
        virtual.cancel(reason)
        result = virtual.finish()
        virtual.replay()
        return result
    finally:
        virtual.close()


def test_a_blocked_call_returns_canceled() -> None:
    virtual = host(main("local ok, err = time.sleep('1h') return {ok == nil, err:kind()}"))
    virtual.start()
    virtual.cancel()
    assert virtual.outcome() == [True, CANCELED]
    assert [command.op for command in virtual.commands] == ["timer", "cancel"]
    virtual.close()


def test_later_calls_return_it_at_once_except_when_detached() -> None:
    body = """
    time.sleep('1h')
    local v, err = funcs.call('t:work')
    local w = workflow.detached(function() return (funcs.call('t:undo')) end)
    return {v == nil, err:kind(), w}
    """
    functions = {"t:work": lambda: "worked", "t:undo": lambda: "undone"}
    assert cancelled(body, functions=functions) == [True, CANCELED, "undone"]


def test_a_main_that_ends_with_canceled_fails_with_it() -> None:
    virtual = host(main("return nil, select(2, time.sleep('1h'))"))
    virtual.start()
    virtual.cancel()
    assert virtual.final is not None
    assert virtual.final.error is not None
    assert virtual.final.error.kind == CANCELED
    virtual.close()


def test_receive_and_select() -> None:
    body = "local v, ok, err = process.inbox():receive() return {v == nil, ok, err:kind()}"
    assert cancelled(body) == [True, False, CANCELED]
    body = "local r = channel.select{process.inbox():case_receive(), time.after('1h'):case_receive()} return {r.ok, r.error:kind()}"
    assert cancelled(body) == [False, CANCELED]


def test_trapped_by_events() -> None:
    body = """
    local e = process.events():receive()
    time.sleep('1s')
    return {e.kind, e.reason, e.kind == process.event.CANCEL}
    """
    assert cancelled(body, "because") == ["pid.cancel", "because", True]


def test_trapped_by_option() -> None:
    body = "process.set_options{trap_cancel = true} time.sleep('1h') return process.events():receive().reason"
    assert cancelled(body, "later") == "later"


def test_twice_is_once() -> None:
    virtual = host(main("time.sleep('1h') workflow.detached(function() time.sleep('1h') end) return 'end'"))
    virtual.start()
    virtual.cancel("one")
    virtual.cancel("two")
    assert virtual.finish() == "end"
    virtual.close()


def test_before_the_first_step() -> None:
    virtual = host(main("return process.events():receive().reason"))
    virtual.feed(protocol.start([]), protocol.cancel("early"))
    assert virtual.outcome() == "early"
    virtual.close()


def test_saga_compensates_under_cancellation() -> None:
    log: list[str] = []

    def step(name: str) -> None:
        log.append(name)
        if name == "bad":
            raise Error("Broken", "no")

    body = """
    local s = saga.new()
    s:add('t:undo', 'one') s:add('t:undo', 'bad') s:add('t:undo', 'three')
    time.sleep('1h')
    local ok, failures = s:compensate()
    return {ok, #failures, failures[1].id, failures[1].error:kind(), s:compensate()}
    """
    assert cancelled(body, functions={"t:undo": step})[:4] == [False, 1, "t:undo", "Broken"]
    assert log == ["three", "bad", "one"]


def test_a_ticker_in_detached_goes_on() -> None:
    body = """
    time.sleep('1h')
    return workflow.detached(function()
      local ticker, n = time.ticker('1s'), 0
      while n < 3 do ticker:channel():receive() n = n + 1 end
      ticker:stop()
      return n
    end)
    """
    assert cancelled(body) == 3
