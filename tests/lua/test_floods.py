"""Far more of something than anybody means, in one step or told to one run: it goes well, or ends as LimitExceeded, and holds little."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from runtime.errors import LIMIT_EXCEEDED
from runtime.lua import protocol
from runtime.lua.protocol import Batch, Event
from runtime.lua.session import Session
from runtime.payload import Payload
from runtime.testing import program_from_source

BOOT = {"class": "workflow", "pid": "{p|1}", "seed": 7, "ctx": {}, "info": {}}
MODULES = ("time", "channel", "process", "funcs", "workflow")
MIB = 1024 * 1024
#: Of the usual limit, and of a value on its way.
MOST = (64 + 16) * MIB
LARGE = Payload.of("x" * 2_000_000)


def ended(body: str, told: Callable[[int, Batch], Sequence[Event]] | None = None, times: int = 0) -> tuple[Batch, int]:
    """How a workflow ends that is told something so many times, and what Lua held for it then."""
    session = Session(program_from_source(f"return function() {body} end", modules=MODULES), BOOT)
    session.patience = 10  # of a machine that is busy with others
    try:
        batch = session.step([protocol.start([])], protocol.Clock(1))
        for number in range(times):
            if batch.state != "running" or told is None:
                break
            batch = session.step(told(number, batch), protocol.Clock(2 + number))
        return batch, session.memory_used()
    finally:
        session.close()


def answered(_: int, batch: Batch) -> Sequence[Event]:
    seq = batch.commands[-1].seq
    assert seq is not None
    return [protocol.result(seq, LARGE)]


@pytest.mark.parametrize(
    ("body", "limits"),
    [
        ("local t = {} for i = 1, 1000000 do t[i] = channel.new(1) end", {"memory"}),
        ("for i = 1, 100000000 do channel.new(1) end", {"instructions"}),
        ("for i = 1, 1000000 do process.listen('t' .. i) end", {"commands", "instructions", "memory"}),
        ("for i = 1, 100000 do funcs.async('t:x') end", {"commands"}),
        ("for i = 1, 100000 do time.after('1h') end", {"commands"}),
        ("for i = 1, 100000 do workflow.status('x' .. i) end", {"commands"}),
        ("local s = ('x'):rep(2000000) for i = 1, 100 do funcs.async('t:x', s) end", {"memory", "values"}),
        ("while true do time.sleep(0) end", {"instructions"}),
        ("while true do time.after('0s') end", {"instructions"}),
    ],
)
def test_a_step_that_asks_for_too_much_ends(body: str, limits: set[str]) -> None:
    batch, memory = ended(body)
    assert batch.error is not None
    assert batch.error.kind == LIMIT_EXCEEDED
    assert (batch.error.details or {})["limit"] in limits
    assert {command.op for command in batch.commands} <= {"log"}
    assert memory <= MOST


def test_a_hundred_large_answers_go_one_after_another() -> None:
    batch, memory = ended("for i = 1, 100 do funcs.call('t:x') end return 'all'", answered, 100)
    assert (batch.state, batch.value) == ("done", Payload.of("all"))
    assert memory <= MOST


def test_a_hundred_large_answers_that_are_kept_are_memory() -> None:
    batch, memory = ended("local t = {} for i = 1, 100 do t[i] = funcs.call('t:x') end", answered, 100)
    assert batch.error is not None
    assert (batch.error.kind, (batch.error.details or {})["limit"]) == (LIMIT_EXCEEDED, "memory")
    assert memory <= MOST


def test_a_hundred_large_messages_that_nobody_reads_are_memory() -> None:
    batch, memory = ended("time.sleep('1h')", lambda n, _: [protocol.message("t", "", [LARGE], n)], 100)
    assert batch.error is not None
    assert (batch.error.kind, (batch.error.details or {})["limit"]) == (LIMIT_EXCEEDED, "memory")
    assert memory <= MOST


@pytest.mark.parametrize("at_once", [1, 20_000])
def test_twenty_thousand_messages_are_read(at_once: int) -> None:
    """One by one, or all with one task."""

    def told(number: int, _: Batch) -> Sequence[Event]:
        return [protocol.message("t", "", [Payload.of(number + i)], number) for i in range(at_once)]

    body = (
        "local inbox, n = process.inbox(), 0 for i = 1, 20000 do n = n + inbox:receive():payload():data() end return n"
    )
    batch, _ = ended(body, told, 20_000 // at_once)
    assert (batch.state, batch.value) == ("done", Payload.of(sum(range(20_000))))
