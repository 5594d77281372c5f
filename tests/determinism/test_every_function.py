"""Every function that a script can reach, with values of every kind, in two interpreters whose strings hash otherwise: the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.lua import protocol
from runtime.lua.session import Session
from runtime.payload import NOTHING, Payload
from runtime.testing import program_from_source
from tests.determinism.programs import MODULES

ALL = (*MODULES, "expr", "yaml")
BOOT = {"class": "workflow", "pid": "{p|1}", "seed": 7, "ctx": {"a": 1}, "info": {"workflow_id": "w", "run_id": "r"}}
SOURCE = (Path(__file__).parent / "every_function.lua").read_text().replace("= ...\n", f'= "{" ".join(ALL)}"\n', 1)
QUESTIONS = {"workflow.patched": lambda _: True, "workflow.deprecate_patch": lambda _: True}
#: How many functions one run calls, and more than there are.
PART, MOST = 40, 240


def answers(first: int, *, padded: bool) -> tuple[list[bytes], str]:
    """The bytes of each step's answer, and the record that the script made."""
    program = program_from_source(SOURCE, modules=ALL, instructions=2_000_000_000, memory=512 * 1024 * 1024)
    session = Session(program, BOOT, version=lambda *_: 1, questions=QUESTIONS, padded=padded)
    session.patience = 1000
    try:
        batch = session.step(
            [protocol.start([Payload.of(first), Payload.of(first + PART - 1)])], protocol.Clock(10**18)
        )
        frames = [batch.frame]
        while batch.state == "running":
            timers = [command.seq for command in batch.commands if command.op == "timer" and command.data["ns"] == 7]
            assert timers, [(command.op, command.at, command.data) for command in batch.commands][-5:]
            assert timers[-1] is not None
            batch = session.step([protocol.result(timers[-1], NOTHING)], protocol.Clock(10**18))
            frames.append(batch.frame)
        assert batch.error is None, str(batch.error)
        assert batch.value is not None
        return frames, str(batch.value.value())
    finally:
        session.close()


@pytest.mark.parametrize("first", range(1, MOST, PART))
def test_every_function_answers_alike_in_two_interpreters(first: int, caplog: pytest.LogCaptureFixture) -> None:
    """And none of them finds a fault of the host."""
    frames, record = answers(first, padded=False)
    others, other = answers(first, padded=True)
    assert record.splitlines() == other.splitlines()
    assert frames == others
    assert [record.getMessage() for record in caplog.records] == []


def test_these_are_all_functions() -> None:
    """There is none in the last part, or more parts are needed; and those of a module are among them."""
    assert answers(MOST - PART + 1, padded=False)[1] == ""
    assert {"yaml.encode", "workflow.patched"} <= set(answers(161, padded=False)[1].splitlines()[0].split())
