"""The memory of a script is what it holds: what it allocates, what the host answers, and what others send to it."""

from __future__ import annotations

import pytest

from runtime.errors import LIMIT_EXCEEDED
from runtime.lua import protocol
from runtime.lua.protocol import Batch, Clock
from runtime.lua.session import Session
from runtime.payload import Payload
from runtime.testing import program_from_source

BOOT = {"class": "workflow", "pid": "{w|r}", "seed": 7, "ctx": {}, "info": {"workflow_id": "r"}}
MEMORY = 8 * 1024 * 1024
KEEPS = "return function() local kept, inbox = {}, process.inbox() while true do kept[#kept + 1] = inbox:receive():payload():data() end end"
LETS_GO = "return function() local inbox = process.inbox() while true do local text = inbox:receive():payload():data() end end"


def _sent(source: str, count: int, size: int) -> Batch:
    session = Session(program_from_source(source, memory=MEMORY), BOOT)
    message = protocol.message("text", "{w|other}", [Payload.of("x" * size)])
    try:
        batch = session.step([protocol.start([])], Clock(1))
        for _ in range(count):
            if batch.state == "running":
                batch = session.step([message], Clock(2))
        return batch
    finally:
        session.close()


@pytest.mark.parametrize("size", [1000, 60_000, 1_000_000])
def test_messages_that_are_kept_are_memory(size: int) -> None:
    batch = _sent(KEEPS, 5 * MEMORY // size, size)
    assert batch.error is not None
    assert (batch.error.kind, (batch.error.details or {})["limit"]) == (LIMIT_EXCEEDED, "memory")


@pytest.mark.parametrize("size", [1000, 60_000, 1_000_000])
def test_messages_that_are_let_go_are_none(size: int) -> None:
    assert _sent(LETS_GO, 5 * MEMORY // size, size).state == "running"
