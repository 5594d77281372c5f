"""Events that wait for a step: what there is room for, and how many a step is given."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.lua import protocol
from runtime.lua.protocol import Event
from runtime.payload import NOTHING, Payload
from runtime.process import event_queue
from runtime.process.event_queue import MAX_BYTES, MAX_WAITING, EventQueue

START = protocol.start([])


def queue(*events: Event) -> EventQueue:
    """With its start taken already."""
    made = EventQueue(START)
    assert made.take() == [START]
    for event in events:
        made.add(event)
    return made


def message(topic: str = "m", *sizes: int) -> Event:
    return protocol.message(topic, "", [Payload("binary/plain", b"x" * size) for size in sizes])


def results(count: int) -> list[Event]:
    return [protocol.result(number, NOTHING) for number in range(count)]


def taken(made: EventQueue) -> list[int]:
    """The sizes of the steps until nothing is left."""
    sizes = []
    while made:
        sizes.append(len(made.take()))
    return sizes


def test_it_begins_with_the_start() -> None:
    made = EventQueue(START)
    assert (bool(made), len(made)) == (True, 1)
    assert made.take() == [START]
    assert (bool(made), len(made), made.take()) == (False, 0, [])


def test_events_are_taken_in_order() -> None:
    events = results(20)
    made = queue(*events)
    assert made.take() + made.take() + made.take() == events


def test_a_step_is_given_more_while_steps_are_short_and_one_when_they_are_long() -> None:
    made = queue(*results(300))
    assert len(made.take()) == 8
    made.took(0.0019)
    assert len(made.take()) == 16
    for seconds in (0.002, 0.01, 0.02):
        made.took(seconds)
        assert len(made.take()) == 16
    made.took(0.021)
    assert len(made.take()) == 1
    made.took(0.001)
    assert len(made.take()) == 2


def test_a_step_is_given_only_so_many() -> None:
    made = queue(*results(1000))
    for _ in range(10):
        made.took(0)
    assert taken(made) == [256, 256, 256, 232]


@pytest.mark.parametrize("last", [protocol.cancel("enough"), protocol.process_exit("{a|b}", 1, NOTHING)])
def test_an_end_or_a_cancellation_is_the_first_of_its_step(last: Event) -> None:
    first, second, later = message("first"), message("second"), message("later")
    made = queue(first, second, last, later)
    assert [made.take(), made.take()] == [[first, second], [last, later]]


def test_there_is_room_for_so_many_of_what_others_send(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MAX_WAITING, "message", 3)
    monkeypatch.setitem(MAX_WAITING, "cancel", 1)
    made = queue(message(), message())
    assert made.takes(message())
    made.add(message())
    assert (made.takes(message()), made.takes(protocol.cancel("x"))) == (False, True)
    made.add(protocol.cancel("x"))
    assert not made.takes(protocol.cancel("x"))
    for own in (protocol.result(1, NOTHING), protocol.process_exit("{a|b}", 1), START):
        assert made.takes(own)
    assert len(made.take()) == 3
    assert made.takes(message())
    assert not made.takes(protocol.cancel("x"))
    made.take()
    assert made.takes(protocol.cancel("x"))


def test_messages_have_room_for_so_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the topic and of all values; what is taken makes room again."""
    monkeypatch.setattr(event_queue, "MAX_BYTES", 20)
    made = queue(message("four", 3, 5))
    made.add(protocol.result(1, Payload("binary/plain", b"x" * 100)))
    assert made.takes(message("four", 4))
    assert not made.takes(message("four", 5))
    made.add(message("four", 4))
    assert not made.takes(message("m"))
    made.take()
    assert (made.takes(message("four", 16)), made.takes(message("four", 17))) == (True, False)
    made.add(message("four", 8))
    assert (made.takes(message("four", 4)), made.takes(message("four", 5))) == (True, False)


def test_the_bounds_are_for_what_no_honest_process_has() -> None:
    made = queue(message("m", MAX_BYTES - 2))
    assert made.takes(message("m"))
    assert not made.takes(message("m", 1))


def test_the_next_program_is_given_what_nobody_read_and_no_outcomes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_queue, "MAX_BYTES", 20)
    monkeypatch.setitem(MAX_WAITING, "message", 3)
    waiting = [message("four", 6), protocol.cancel("enough")]
    made = queue(*results(2), *waiting)
    start, unread = protocol.start([NOTHING]), [message("unread")]
    made.begin_again(start, unread)
    assert made.takes(message("four"))
    assert not made.takes(message("four", 1))
    got: list[Any] = made.take()
    assert got == [start, *unread, waiting[0]]
    assert made.take() == [waiting[1]]
    assert (made.takes(message("four", 16)), made.takes(message("four", 17))) == (True, False)
    for _ in range(2):
        made.add(message())
    assert made.takes(message())
