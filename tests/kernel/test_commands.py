"""Commands: they say what the script said, in whichever of the two ways they are written."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.lua.protocol import Command
from runtime.payload import Payload
from tests.support import host, main, run

TEXTS = ["plain ~!", 'a "quoted" word', "back\\slash", "é"]


def first(body: str, *args: Any) -> Command:
    """The first command of a script that waits for its outcome."""
    virtual = host(main(body))
    try:
        virtual.start(*args)
        return virtual.commands[0]
    finally:
        virtual.close()


@pytest.mark.parametrize("topic", TEXTS)
def test_a_message_has_its_topic_and_its_values(topic: str) -> None:
    command = first("return process.send('{w|x}', ...)", topic, 7, "seven")
    assert command.op == "send"
    assert command.data == {"to": "{w|x}", "topic": topic, "args": [Payload.of(7), Payload.of("seven")]}


CHOSEN = "funcs.new():with_options({ ['activity.id'] = 'chosen' }):call"


@pytest.mark.parametrize(("called", "options"), [("funcs.call", {}), (CHOSEN, {"id": "chosen"})])
def test_a_call_has_its_options(called: str, options: dict[str, Any]) -> None:
    command = first(f"return {called}('t:work', 1, nil)")
    assert (command.op, command.seq) == ("call", 1)
    assert command.data == {"id": "t:work", "args": [Payload.of(1), Payload.of(None)], "options": options, "ctx": {}}


def test_a_call_in_another_context_says_so() -> None:
    command = first("return funcs.new():with_context({ tenant = 'acme' }):call('t:work')")
    assert command.data == {"id": "t:work", "args": [], "options": {}, "ctx": {"tenant": "acme"}}


def test_a_timer_says_where_the_script_asked_for_it() -> None:
    command = first("local after = time.after('1500ms')\nreturn after:receive()")
    assert (command.op, command.seq, command.data) == ("timer", 1, {"ns": 1_500_000_000})
    assert command.at is not None
    assert command.at.endswith(":2")


def test_many_wraps_take_memory_in_proportion() -> None:
    body = """local err = errors.new('Own', 'the cause')
    for i = 1, 20000 do err = errors.wrap(err, 'step ' .. i) end
    local text = tostring(errors.wrap(err, 'last'))
    return { text:sub(1, 22), err:message(), err:kind() }"""
    assert run(body, memory=48 * 1024 * 1024) == ["last: step 20000: step", "the cause", "Own"]
    short = "return tostring(errors.wrap(errors.wrap('why', 'inner'), 'outer'))"
    assert run(short) == "outer: inner: why"
