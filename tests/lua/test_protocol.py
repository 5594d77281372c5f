"""The shapes that cross between a kernel and its host."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.errors import CONFLICT, Error
from runtime.lua import protocol
from runtime.lua.protocol import Batch, Command, batch_of
from runtime.payload import Payload

ONE, TWO, THREE = Payload.of(1), Payload.of("two"), Payload("binary/plain", b"\x00")
BLOBS = [ONE, TWO, THREE]
ERROR = Error(CONFLICT, "taken", retryable=True, details={"by": "me"})


def read(state: str, **header: Any) -> Batch:
    return batch_of(state, header, BLOBS, (b"a", b"b"))


def test_a_header_that_says_nothing_more() -> None:
    batch = read("running")
    assert batch == Batch("running", answer=(b"a", b"b"))
    assert (batch.commands, batch.value, batch.error, batch.continuation, batch.spent) == ([], None, None, None, None)
    assert batch.frame == b"a\nb"


def test_a_value_an_error_and_a_spent_limit() -> None:
    assert read("done", value=0).value is ONE
    failed = read("failed", error=ERROR.to_wire(), spent="memory")
    assert failed.error is not None
    assert failed.error.to_wire() == ERROR.to_wire()
    assert failed.spent == "memory"


def test_commands_keep_their_order_and_have_their_values() -> None:
    call, status, plain = read(
        "running",
        commands=[
            {"op": "call", "seq": 1, "at": "x.lua:3", "id": "app:f", "args": [1, 0]},
            {"op": "status", "value": 2},
            {"op": "timer", "seq": 2, "ns": 5, "value": "text", "args": "text"},
        ],
    ).commands
    assert call == Command("call", 1, "x.lua:3", {"id": "app:f", "args": [TWO, ONE]})
    assert call.args == [TWO, ONE]
    assert status == Command("status", None, None, {"value": THREE})
    assert status.args == []
    assert plain == Command("timer", 2, None, {"ns": 5, "value": "text", "args": "text"})


def test_values_inside_lists_are_put_in_their_places() -> None:
    [spawn] = read(
        "running", commands=[{"op": "spawn", "messages": [{"topic": "a", "args": [0]}, {"topic": "b"}]}]
    ).commands
    assert spawn.data == {"messages": [{"topic": "a", "args": [ONE]}, {"topic": "b"}]}
    batch = read("continue", **{"continue": {"id": None, "args": [2], "events": [{"kind": "pid.exit", "value": 1}]}})
    assert batch.continuation == {"id": None, "args": [THREE], "events": [{"kind": "pid.exit", "value": TWO}]}


def test_events() -> None:
    args = [ONE, TWO]
    assert protocol.start((ONE,)) == {"t": "start", "args": [ONE]}
    assert protocol.result(3, ONE) == {"t": "result", "seq": 3, "value": ONE}
    assert protocol.failure(3, ERROR) == {"t": "result", "seq": 3, "error": ERROR.to_wire()}
    assert protocol.update("u", "add", args) == {"t": "update", "id": "u", "name": "add", "args": args}
    assert protocol.cancel() == {"t": "cancel", "reason": "", "from": ""}
    assert protocol.cancel("enough", "{a|b}") == {"t": "cancel", "reason": "enough", "from": "{a|b}"}
    plain = {"t": "message", "topic": "m", "from": "{a|b}", "args": args, "at": 0}
    assert protocol.message("m", "{a|b}", args) == plain
    assert protocol.message("m", "{a|b}", args, 7, "u") == {**plain, "at": 7, "update": "u"}
    ended = {"t": "process", "kind": "pid.exit", "from": "{a|b}", "at": 5}
    assert protocol.process_exit("{a|b}", 5) == ended
    assert protocol.process_exit("{a|b}", 5, ONE) == {**ended, "value": ONE}
    broken = protocol.process_exit("{a|b}", 5, error=ERROR, kind=protocol.LINK_DOWN)
    assert broken == {**ended, "kind": "pid.link.down", "error": ERROR.to_wire()}


@pytest.mark.parametrize(
    "event",
    [
        protocol.cancel("enough", "{a|b}"),
        protocol.process_exit("{a|b}", 5, ONE),
        protocol.process_exit("{a|b}", 5, error=ERROR, kind=protocol.LINK_DOWN),
        protocol.process_exit("{a|b}", 5),
    ],
)
def test_what_nobody_has_read_is_handed_on_as_it_came(event: dict[str, Any]) -> None:
    assert protocol.unread({"events": [protocol.as_unread(event)]}) == [event]


def test_messages_that_nobody_has_read_come_first() -> None:
    message = {"topic": "m", "from": "{a|b}", "args": [ONE], "at": 4}
    exit = {"kind": "pid.exit", "from": "{c|d}", "at": 5}
    assert protocol.unread({"events": [exit], "messages": [message, {**message, "topic": "n"}]}) == [
        protocol.message("m", "{a|b}", [ONE], 4),
        protocol.message("n", "{a|b}", [ONE], 4),
        protocol.process_exit("{c|d}", 5),
    ]
    del message["at"]
    assert protocol.unread({"messages": [message]}) == [protocol.message("m", "{a|b}", [ONE], 0)]
    assert protocol.unread({}) == protocol.unread({"messages": None, "events": None}) == []
    cancel = {"kind": "pid.cancel", "from": "", "at": 0}
    assert protocol.unread({"events": [cancel]}) == [protocol.cancel("", "")]


def test_the_form_of_what_nobody_has_read() -> None:
    assert protocol.as_unread(protocol.cancel("enough", "{a|b}")) == {
        "kind": "pid.cancel",
        "from": "{a|b}",
        "at": 0,
        "reason": "enough",
    }
    exit = protocol.process_exit("{a|b}", 5, ONE)
    assert protocol.as_unread(exit) == {"kind": "pid.exit", "from": "{a|b}", "at": 5, "value": ONE}
