"""The log of what a run was told: what is written is read, however it was packed meanwhile, and what is too long is not kept."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import Error
from runtime.lua import eventlog, protocol
from runtime.lua.eventlog import Answer, EventLog, Told
from runtime.lua.protocol import Batch, Clock, Event
from runtime.payload import NOTHING, Payload

BOOT = {"class": "workflow", "seed": 2**62, "ctx": {"tenant": "acme"}, "waits": ["a:b"], "info": {"attempt": 1}}
BATCH = Batch("running", answer=(b"running",))

payloads = st.builds(Payload, st.sampled_from(["json/plain", "binary/plain"]), st.binary(max_size=40))
details = st.dictionaries(st.text(max_size=5), st.lists(st.integers(-(2**70), 2**70), max_size=3), max_size=2)
events = st.one_of(
    st.builds(protocol.start, st.lists(payloads, max_size=3)),
    st.builds(protocol.result, st.integers(1, 2**40), payloads),
    st.builds(lambda seq, more: protocol.failure(seq, Error("Own", "é\ud800", details=more)), st.integers(1, 9), details),
    st.builds(protocol.message, st.text(), st.text(), st.lists(payloads, max_size=2), st.integers(0, 2**63 - 1)),
    st.builds(lambda at, value: protocol.process_exit("{w|x}", at, value), st.integers(0, 9), payloads),
    st.builds(protocol.cancel, st.text(), st.text()),
    st.builds(protocol.update, st.text(), st.text(), st.lists(payloads, max_size=2)),
)  # fmt: skip
clocks = st.builds(Clock, st.integers(0, 2**63 - 1), st.integers(0, 99), st.integers(0, 99), st.booleans())
answers = st.lists(
    st.one_of(
        st.builds(Answer, st.just("workflow.version"), st.tuples(st.text(), st.integers(0, 5)), st.integers()),
        st.builds(lambda kind: Answer("workflow.patched", ("x",), error=(kind, "no")), st.text()),
    ),
    max_size=3,
)


def add(log: EventLog, events: list[Event], clock: Clock | None = None, answers: list[Answer] | None = None) -> None:
    log.add(events, clock or Clock(1), answers or [], BATCH, 0.0)


@given(steps=st.lists(st.tuples(st.lists(events, max_size=2), clocks, answers, st.booleans()), max_size=20))
def test_what_was_told_is_told_again(steps: list[tuple[list[Event], Clock, list[Answer], bool]]) -> None:
    log = EventLog(BOOT)
    for told, clock, said, packs in steps:
        add(log, told, clock, said)
        if packs:
            log.pack()
    again = [Told(told, clock._replace(replaying=True), said) for told, clock, said, _ in steps]
    for _ in range(2):
        assert log.boot() == BOOT
        assert list(log.told()) == again
        log.pack()


def test_a_log_that_grows_by_one_step_at_a_time_stays_small() -> None:
    log, at_once = EventLog(BOOT), EventLog(BOOT)
    for number in range(500):
        for each in (log, at_once):
            add(each, [protocol.message("item", "{w|x}", [Payload.of({"number": number})])], Clock(number * 10**9))
        log.pack()
    at_once.pack()
    assert log.size < 1.5 * at_once.size < 10_000


def test_the_digest_is_of_every_answer_in_its_place() -> None:
    def digest(*frames: bytes) -> bytes:
        log = EventLog(BOOT)
        for frame in frames:
            log.add([], Clock(1), [], Batch("running", answer=(frame,)), 0.0)
        return log.digest.value()

    assert digest(b"a", b"b") == digest(b"a", b"b")
    assert len({digest(b"a", b"b"), digest(b"b", b"a"), digest(b"a"), digest(b"a", b"b", b"b")}) == 4


def test_a_log_of_too_many_steps_is_given_up() -> None:
    log = EventLog(BOOT)
    for _ in range(eventlog.MAX_STEPS):
        add(log, [protocol.result(1, NOTHING)])
    assert log.kept
    add(log, [protocol.result(1, NOTHING)])
    assert not log.kept
    assert log.size == 0


def test_a_log_of_steps_that_took_long_is_given_up() -> None:
    log = EventLog(BOOT)
    log.add([], Clock(1), [], BATCH, eventlog.MAX_SECONDS * 0.9)
    assert log.kept
    log.add([], Clock(1), [], BATCH, eventlog.MAX_SECONDS * 0.2)
    assert not log.kept


@pytest.mark.parametrize("data", [os.urandom(eventlog.MAX_BYTES), b'"' + b"x" * 10 * eventlog.MAX_BYTES + b'"'])
def test_what_counts_is_how_much_it_takes_packed(data: bytes) -> None:
    log = EventLog(BOOT)
    add(log, [protocol.result(1, Payload("binary/plain", data))])
    assert log.kept == (data[:1] == b'"')


def test_what_is_nested_too_deeply_to_be_kept_is_not() -> None:
    nested: Any = {}
    for _ in range(3000):
        nested = [nested]
    log = EventLog(BOOT)
    add(log, [{"t": "result", "seq": 1, "error": {"kind": "X", "message": "", "details": {"a": nested}}}])
    assert not log.kept
