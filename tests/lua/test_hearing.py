"""Errors that a script does not look at: each is told in the log, at its place, once."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.errors import Error
from runtime.lua.protocol import Command
from tests.support import host, main


def lines(body: str, *args: Any, **options: Any) -> list[tuple[str | None, str]]:
    """Place and message of the warnings of a script that runs to its end, or to where it waits for ever."""
    return [(command.at, command.data["message"]) for command in warned(main(body), *args, **options)]


def warned(script: str, *args: Any, **options: Any) -> list[Command]:
    virtual = host(script, **options)
    try:
        virtual.run(*args)
        virtual.replay()
        return [command for command in virtual.commands if command.op == "log" and command.data["level"] == "warn"]
    finally:
        virtual.close()


def broken() -> None:
    raise Error("Broken", "no luck")


REFUSED = {
    "process.send": "process.send('', 'topic')",
    "time.sleep": "time.sleep('soon')",
    ":add": "local s = saga.new()\ns:add('undo')",
    "workflow.attrs": "workflow.attrs({ search = { x = function() end } })",
    "funcs.call": "local v = funcs.call('t:broken')",
    "funcs.async": "local f = funcs.async('nonsense')",
    ":call": "funcs.new():call('t:broken')",
    ":await": "local f = funcs.async('t:broken')\nf:await()",
    "json.decode": "local v = json.decode('{')",
    "outcome.fail": "outcome.fail('Own', 'not returned')",
    "workflow.version": "workflow.version('x', 3, 1)",
    "workflow.exec": "local v = workflow.exec('t:none')",
    "call": "local call = funcs.call\nlocal v = call('t:broken')",
}


@pytest.mark.parametrize(("label", "body"), REFUSED.items())
def test_a_refusal_that_nobody_looks_at_is_told_with_its_place(label: str, body: str) -> None:
    [(at, message)] = lines(body + "\nreturn 1", functions={"t:broken": broken})
    assert at == f"script.lua:{2 + body.count(chr(10))}"
    name = "funcs.call" if label == "call" else label
    assert message.startswith(f"nobody looks at the error of {name}: ")
    assert f"err = {name}(…)" in message


HEARD = {
    "a second result": "local v, err = funcs.call('t:broken')",
    "assert": "pcall(function() assert(funcs.call('t:broken')) end)",
    "a table of the results": "local t = { funcs.call('t:broken') }",
    "an argument": "select('#', funcs.call('t:broken'))",
    "a caller that looks": "local function go() return funcs.call('t:broken') end local v, err = go()",
    "a protected call": "local ok, v, err = pcall(funcs.call, 't:broken')",
    "what judges": "if json.validate({ type = 'string' }, 7) then error('valid') end",
    "what is not there": "local v = ctx.get('tenant') or 'none'",
}


@pytest.mark.parametrize("body", HEARD.values(), ids=HEARD)
def test_what_is_looked_at_is_not_told(body: str) -> None:
    assert lines(body + "\nreturn 1", functions={"t:broken": broken}) == []


def test_who_drops_what_a_function_passes_on_is_named() -> None:
    body = "local function go()\nreturn funcs.call('t:broken')\nend\nlocal v = go()\nreturn 1"
    [(at, message)] = lines(body, functions={"t:broken": broken})
    assert (at, message.split(":")[0]) == ("script.lua:5", "nobody looks at the error of go")


def test_a_place_is_told_once() -> None:
    body = "for i = 1, 3 do time.sleep('soon') end\ntime.sleep('later')\nreturn 1"
    assert [at for at, _ in lines(body)] == ["script.lua:2", "script.lua:3"]


def test_the_error_that_a_run_ends_with_is_heard() -> None:
    virtual = host(main("return funcs.call('t:broken')"), functions={"t:broken": broken})
    try:
        with pytest.raises(Error, match="no luck"):
            virtual.run()
        assert [command.op for command in virtual.commands] == ["call"]
    finally:
        virtual.close()


def test_a_query_tells_nothing() -> None:
    body = "workflow.query('q', function() json.decode('{') return 7 end)\nprocess.inbox():receive()"
    virtual = host(main(body))
    try:
        virtual.start()
        assert virtual.query("q") == 7
        assert [command.op for command in virtual.commands] == ["handler"]
    finally:
        virtual.close()


def test_a_cancellation_is_no_refusal() -> None:
    virtual = host(main("time.sleep('1h')\ntime.sleep('1h')\nreturn 1"))
    try:
        virtual.start()
        virtual.cancel()
        assert not [command for command in virtual.commands if command.op == "log"]
    finally:
        virtual.close()


def test_a_library_s_place_is_named() -> None:
    [command] = warned(
        "return function() lib.wait() return 1 end",
        libraries={"lib": "return { wait = function()\ntime.sleep('x')\nend }"},
    )
    assert command.at == "lib.lua:2"
