"""Kernels of protocol 1: what began on one goes on as it began, with today's host."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runtime.errors import Error
from runtime.lua.kernel import Kernel, current_kernel
from runtime.testing import VirtualHost, program_from_source
from tests.determinism.programs import MODULES, PROGRAMS
from tests.support import EVERYTHING, main

KERNELS = sorted((Path(__file__).parent.parent / "histories" / "bundles" / "kernels").glob("*.json"))

#: Something of everything that crosses.
BODY = """
  workflow.query('n', function(a) return { a, workflow.history_length() } end)
  workflow.update('add', function(v) return v + 1 end, function(v) if v < 0 then return nil, 'negative' end end)
  local given = { ... }
  local value, err = funcs.call('t:f', given, 1.0, nil)
  local _, failed = funcs.call('t:none')
  time.sleep('1s')
  local message = process.inbox():receive()
  return { given, value, failed:kind(), ctx.get('user'), message:topic(), message:payload():data(), tostring(time.now()) }
"""


@pytest.fixture(params=KERNELS, ids=lambda path: path.stem[:8])
def kernel(request: pytest.FixtureRequest) -> Kernel:
    return Kernel.read(request.param.read_bytes())


def _told(kernel: Kernel) -> tuple[object, ...]:
    program = replace(program_from_source(main(BODY), modules=EVERYTHING), kernel=kernel)
    virtual = VirtualHost(program, functions={"t:f": lambda *args: {"got": len(args)}}, context={"user": "ann"})
    virtual.start({"a": [1, {}]}, "é")
    virtual.advance(1)
    asked = virtual.query("n", "x")
    added = virtual.update("add", 4)
    with pytest.raises(Error, match="negative"):
        virtual.update("add", -1)
    virtual.send("topic", b"\x00\xff")
    assert virtual.final is not None
    assert virtual.final.value is not None
    virtual.replay()
    virtual.close()
    commands = [(command.op, command.seq, command.at, command.data) for command in virtual.commands]
    return asked, added, virtual.final.value, commands


def test_those_that_were_recorded_speak_it_and_today_s_does_not() -> None:
    assert len(KERNELS) >= 2
    assert {Kernel.read(path.read_bytes()).protocol for path in KERNELS} == {1}
    assert current_kernel().protocol == 2


def test_both_say_the_same_of_all_that_crosses(kernel: Kernel) -> None:
    assert _told(kernel) == _told(current_kernel())


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_nasty_program_ends_as_ever(path: Path, kernel: Kernel) -> None:
    ends = []
    for each in (kernel, current_kernel()):
        program = replace(program_from_source(path.read_text(), modules=MODULES), kernel=each)
        virtual = VirtualHost(program, functions={"app:act": lambda *args: len(args)}, seed=42)
        try:
            ends.append(virtual.run())
        except Error as error:
            ends.append((error.kind, error.message))
        virtual.replay()
        virtual.close()
    assert ends[0] == ends[1]
