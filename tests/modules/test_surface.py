"""funcs, process, workflow, errors and ctx, as a script in a workflow sees them."""

from __future__ import annotations

import pytest

from runtime.errors import INVALID, NOT_FOUND, Error
from runtime.lua import protocol
from runtime.payload import Payload
from tests.support import fail, host, main, run


def refuse(kind: str = "Broken", **options: object) -> object:
    def mock(*_args: object) -> object:
        raise Error(kind, "no", details={"code": 7}, **options)  # type: ignore[arg-type]

    return mock


def test_call_returns_the_value_or_the_error() -> None:
    body = "local v, err = funcs.call('t:f', 2, {a = 1}) return {v, err == nil}"
    assert run(body, functions={"t:f": lambda n, t: [n, t]}) == [[2, {"a": 1}], True]
    body = "local v, err = funcs.call('t:f') return {v == nil, err:kind(), err:message(), err:retryable(), err:details().code}"
    assert run(body, functions={"t:f": refuse(retryable=False)}) == [True, "Broken", "no", False, 7]


def test_an_unknown_function_is_not_found_and_retryable() -> None:
    assert run("local _, err = funcs.call('t:none') return {err:kind(), err:retryable(), err:details().id}") == [
        NOT_FOUND,
        True,
        "t:none",
    ]


@pytest.mark.parametrize("name", ["''", "'nocolon'", "':x'", "'x:'"])
def test_a_bad_id_is_invalid(name: str) -> None:
    assert run(f"local v, err = funcs.call({name}) return {{v == nil, err:kind()}}") == [True, INVALID]


def test_wrong_types_raise_at_the_line() -> None:
    assert fail("\nfuncs.call(1)").message == "script.lua:3: bad argument #1 to 'call' (string expected, got number)"
    assert "with_options" in fail("funcs.new():with_options('x')").message


def test_options_are_checked_before_anything_is_sent() -> None:
    body = "local v, err = funcs.new():with_options{['activity.start_to_close_timeout'] = 'soon'}:call('t:f') return {v == nil, err:kind(), err:message()}"
    virtual = host(main(body))
    nothing, kind, message = virtual.run()
    assert (nothing, kind) == (True, INVALID)
    assert "activity.start_to_close_timeout" in message
    assert virtual.commands == []
    virtual.close()


def test_executors_are_immutable_and_merge_contexts() -> None:
    body = """
    local base = funcs.new():with_context{a = 1, b = 1}
    local more = base:with_context{b = 2}:with_options{['activity.summary'] = 'hi', timeout = 5000}
    base:call('t:f') more:call('t:f')
    """
    virtual = host(main(body), functions={"t:f": lambda: None}, context={"z": 0})
    virtual.run()
    first, second = (command.data for command in virtual.commands)
    assert first["ctx"] == {"z": 0, "a": 1, "b": 1}
    assert first["options"] == {}
    assert second["ctx"] == {"z": 0, "a": 1, "b": 2}
    assert second["options"] == {"summary": "hi", "start_to_close_timeout": 5000}
    virtual.close()


def test_futures() -> None:
    body = """
    local f = funcs.async('t:f', 1)
    local before = {f:is_complete(), (f:result())}
    local p, ok = f:channel():receive()
    local _, open = f:channel():receive()
    return {before[1], before[2] == nil, p:data(), ok, open, f:is_complete(), f:result():data(), f:await(), f:channel() == f:response(), (f:error())}
    """
    assert run(body, functions={"t:f": lambda n: n + 1}) == [False, True, 2, True, False, True, 2, 2, True]


def test_a_failed_future() -> None:
    body = """
    local f = funcs.async('t:f')
    local e, ok = f:channel():receive()
    local v, err = f:await()
    local same, is = f:error()
    return {e:kind(), ok, v == nil, err:kind(), same:kind(), is, f:is_canceled()}
    """
    assert run(body, functions={"t:f": refuse()}) == ["Broken", True, True, "Broken", "Broken", True, False]


def test_cancelling_a_future_cancels_its_command() -> None:
    body = "local f = funcs.async('t:f') f:cancel() local v, err = f:await() return {f:is_canceled(), f:is_complete(), v == nil, err:kind(), tostring(err)}"
    virtual = host(main(body), functions={"t:f": lambda: 1})
    assert virtual.run() == [True, True, True, "Canceled", "canceled"]
    assert [command.op for command in virtual.commands] == ["call", "cancel"]
    virtual.close()


def test_all_and_any() -> None:
    body = """
    local good, bad = funcs.async('t:good'), funcs.async('t:bad')
    local results, err = funcs.all({good, bad, funcs.async('t:good')})
    local index, value = funcs.any({funcs.async('t:good'), funcs.async('t:bad')})
    return {results[1], results[2] == nil, results[3], err:kind(), index, value}
    """
    functions = {"t:good": lambda: "ok", "t:bad": refuse()}
    assert run(body, functions=functions) == ["ok", True, "ok", "Broken", 1, "ok"]


# process ------------------------------------------------------------------------------------------------------------------


def test_messages_keep_until_somebody_listens() -> None:
    body = """
    time.sleep('1s')
    local listened = process.listen('b')
    local inbox = process.inbox()
    local b, m1, m2 = listened:receive(), inbox:receive(), inbox:receive()
    return {b, m1:topic(), m1:payload():data(), m2:topic(), m2:payload() == nil, m1:from()}
    """
    virtual = host(main(body))
    virtual.start()
    virtual.send("a", 1, sender="{w|x}")
    virtual.send("b", 2)
    virtual.send("c")
    assert virtual.finish() == [2, "a", 1, "c", True, "{w|x}"]
    virtual.replay(one_batch=True)
    virtual.close()


def test_listen_with_message_and_unlisten() -> None:
    body = """
    local ch = process.listen('t', {message = true})
    local same = process.listen('t') == ch
    local m = ch:receive()
    local gone = process.unlisten(ch)
    local _, open = ch:receive()
    local later = process.inbox():receive()
    return {same, m:topic(), m:payload()[2]:data(), gone, open, later:topic()}
    """
    virtual = host(main(body))
    virtual.start()
    virtual.send("t", 1, 2)
    virtual.send("t", 3)
    assert virtual.outcome() == [True, "t", 2, True, False, "t"]
    virtual.close()


def test_sending_to_oneself() -> None:
    assert run(
        "process.send(process.pid(), 'me', 1, 2) local m = process.inbox():receive() return {m:from() == process.pid(), #m:payload()}"
    ) == [True, 2]


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ("process.send('', 't')", INVALID),
        ("process.send('{a|b}', '@x')", INVALID),
        ("process.send('name', 't')", NOT_FOUND),
        ("process.listen('')", INVALID),
        ("process.link('{a|b}')", INVALID),
        ("process.registry.lookup('x')", INVALID),
    ],
)
def test_refusals(call: str, kind: str) -> None:
    assert run(f"local v, err = {call} return {{v == nil, err:kind(), err:retryable()}}") == [True, kind, False]


def test_children() -> None:
    body = """
    local pid = process.with_name('kid'):with_message('hello', 1):spawn('t:child', 'w', {n = 1})
    local event = process.events():receive()
    local value, err = process.exec('t:bad', 'w')
    return {pid, event.kind, event.from, event.result.value, value == nil, err:kind()}
    """
    virtual = host(main(body), children={"t:child": lambda t: t["n"] + 1, "t:bad": refuse()})
    assert virtual.run() == ["{w|kid}", "pid.exit", "{w|kid}", 2, True, "Broken"]
    spawn = virtual.commands[0].data
    assert spawn["messages"][0]["topic"] == "hello"
    assert spawn["messages"][0]["args"] == [Payload("json/plain", b"1")]
    virtual.close()


def test_upgrade_carries_what_nobody_read() -> None:
    body = "local n = ... process.inbox():receive() process.upgrade(nil, n + 1) return 'never'"
    virtual = host(main(body))
    virtual.start(1)
    virtual.feed(protocol.message("a", "", []), protocol.message("b", "{w|s}", [Payload.of(5)]))
    assert virtual.final is not None
    assert virtual.final.state == "continue"
    continuation = virtual.final.continuation or {}
    assert continuation["args"] == [Payload("json/plain", b"2")]
    assert [(m["topic"], m["from"]) for m in continuation["messages"]] == [("a", ""), ("b", "{w|s}")][1:]
    virtual.close()


# workflow -----------------------------------------------------------------------------------------------------------------


def test_wait() -> None:
    body = """
    local n = 0
    coroutine.spawn(function() for i = 1, 5 do time.sleep('1s') n = n + 1 end end)
    local there = workflow.wait(function() return n >= 3 end)
    local at = n
    local late = workflow.wait(function() return n > 100 end, '10s')
    return {there, at, late, time.now():unix()}
    """
    assert run(body, now=0) == [True, 3, False, 13]


def test_queries_and_stack() -> None:
    virtual = host(
        main(
            "local n = 1 workflow.query('n', function(d) return n + (d or 0) end)\nworkflow.status{step = 'x'}\nprocess.inbox():receive() n = 2 process.inbox():receive()"
        )
    )
    virtual.start()
    assert virtual.query("n", 10) == 11
    virtual.send("go")
    assert virtual.query("n") == 2
    assert virtual.query("__status") == {"step": "x"}
    [stack] = virtual.query("__lua_stack")
    assert stack["waiting_for"] == "receive"
    assert stack["frames"][0].startswith("script.lua:4")
    virtual.send("t")
    virtual.close()


def test_an_unknown_query_names_the_known() -> None:
    virtual = host(main("workflow.query('known', function() end) process.inbox():receive()"))
    virtual.start()
    with pytest.raises(Error, match="unknown query 'none'; known: known"):
        virtual.query("none")
    virtual.close()


def test_an_unknown_query_of_a_run_that_has_none_says_so() -> None:
    virtual = host(main("process.inbox():receive()"))
    virtual.start()
    with pytest.raises(Error, match="unknown query 'state'; this run has registered none"):
        virtual.query("state")
    virtual.close()


def test_updates() -> None:
    body = """
    local total = 0
    workflow.update('add', function(n) time.now() total = total + n return total end,
      function(n) if type(n) ~= 'number' then return nil, errors.new('Invalid', 'a number, please') end end)
    workflow.update('fail', function() return nil, 'nope' end)
    workflow.wait(function() return total > 10 end)
    return total
    """
    virtual = host(main(body))
    virtual.start()
    assert virtual.update("add", 4) == 4
    with pytest.raises(Error, match="a number, please"):
        virtual.update("add", "x")
    with pytest.raises(Error, match="unknown update 'other'"):
        virtual.update("other")
    with pytest.raises(Error, match="nope"):
        virtual.update("fail")
    assert virtual.update("add", 7) == 11
    assert virtual.outcome() == 11
    virtual.replay()
    virtual.close()


def test_version() -> None:
    assert run("return {workflow.version('a', 1, 3), workflow.version('a', 1, 3)}") == [3, 3]
    assert run(
        "workflow.version('a', 1, 1) local v, err = workflow.version('a', 2, 3) return {v == nil, err:kind(), err:message()}"
    ) == [True, INVALID, 'this run is on version 1 of "a", the code supports 2 to 3']


def test_workflow_module_outside_a_workflow() -> None:
    assert run("local v, err = workflow.info() return {v == nil, err:kind(), err:message()}", kind="function") == [
        True,
        INVALID,
        "workflow.info works only inside a workflow",
    ]


# errors, ctx, programs -----------------------------------------------------------------------------------------------------


def test_error_objects() -> None:
    body = """
    local e = errors.new{message = 'low', kind = 'Conflict', retryable = true, details = {a = 1}}
    local w = errors.wrap(e, 'while saving')
    return {tostring(w), w:message(), w:kind(), w:retryable(), w:details().a, errors.is(w, errors.CONFLICT), errors.is('x', ''),
      errors.call_stack(e).frames[1].line, errors.new('x'):kind(), errors.new('x'):retryable() == nil, tostring(errors.new(''))}
    """
    assert run(body) == ["while saving: low", "low", "Conflict", True, 1, True, False, 3, "", True, "unknown error"]


def test_a_raised_error_object_keeps_its_kind() -> None:
    assert fail("error(errors.new('Conflict', 'twice'))").kind == "Conflict"
    assert fail("return nil, 'just text'").message == "just text"
    error = fail("local t = nil\nreturn t.x")
    assert error.message == "script.lua:3: attempt to index a nil value (local 't')"
    assert error.retryable is False


def test_ctx_is_read_only() -> None:
    body = "local t = ctx.all() t.a = 9 local _, e = ctx.get('b') local _, i = ctx.get('') return {ctx.get('a'), e:kind(), i:kind()}"
    assert run(body, context={"a": 1}) == [1, NOT_FOUND, INVALID]


def test_program_forms() -> None:
    virtual = host(
        "return {main = function() return 'main' end, other = function() return 'other' end}", method="other"
    )
    assert virtual.run() == "other"
    virtual.close()
    virtual = host("return {}")
    with pytest.raises(
        Error, match=r"script.lua must return a function or a table with a function 'main', not a table"
    ):
        virtual.run()
    virtual.close()
    virtual = host("time.sleep('1s') return function() end")
    with pytest.raises(Error, match=r"the body of a file cannot use 'time.sleep"):
        virtual.run()
    virtual.close()


def test_log_lines_carry_their_place() -> None:
    virtual = host(main("\nlogger:named('n'):with{a = 1}:warn('hi', {b = {f = print}}) print(1, 'x')"))
    virtual.run()
    warn, line = virtual.commands
    assert warn.at == "script.lua:3"
    assert warn.data == {"level": "warn", "message": "hi", "fields": {"a": 1, "b": {"f": "function: 1"}}, "logger": "n"}
    assert line.data["message"] == "1\tx"
    virtual.close()


def test_subscribe_feeds_a_channel_of_ones_own() -> None:
    body = """
    local ch = channel.new(4)
    local ok, again = subscribe('t', ch), subscribe('t', ch)
    local _, err = subscribe('t', channel.new())
    local v = ch:receive()
    local gone = unsubscribe(ch)
    ch:send('mine')
    return {ok, again, err:kind(), v, gone, (ch:receive()), process.inbox():receive():topic()}
    """
    virtual = host(main(body))
    virtual.start()
    virtual.send("t", 1)
    virtual.send("t", 2)
    assert virtual.outcome() == [True, True, "AlreadyExists", 1, True, "mine", "t"]
    virtual.close()
