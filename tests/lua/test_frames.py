"""Kernels of protocol 1: what began on one goes on as it began, with today's host."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import Error
from runtime.lua import protocol, session
from runtime.lua.kernel import Kernel, current_kernel
from runtime.lua.session import Session
from runtime.payload import Payload
from runtime.testing import VirtualHost, program_from_source
from tests.determinism.programs import MODULES, PROGRAMS
from tests.support import EVERYTHING, main

KERNELS = sorted((Path(__file__).parent.parent / "histories" / "bundles" / "kernels").glob("*.json"))

BOOT = {"class": "function", "pid": "", "seed": 1, "ctx": {}, "info": {}}

#: The last kernel of protocol 1.
[LAST] = [path for path in KERNELS if path.stem.startswith("56d5af67")]

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


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that spend their budget are to do so on a busy machine too, where the limits of time would end them before."""
    for name in ("MAX_SECONDS", "MAX_SECONDS_OF_A_WORKFLOW", "MAX_WALL_SECONDS"):
        monkeypatch.setattr(session, name, 600.0)


@pytest.fixture(params=KERNELS, ids=lambda path: path.stem[:8])
def kernel(request: pytest.FixtureRequest) -> Kernel:
    return Kernel.read(request.param.read_bytes())


def _told(kernel: Kernel) -> tuple[object, ...]:
    program = replace(program_from_source(main(BODY), modules=EVERYTHING), kernel=kernel)
    virtual = VirtualHost(program, functions={"t:f": lambda *args: {"got": len(args)}}, context={"user": "ann"})
    virtual.start({"a": [1, {}]}, "é")
    virtual.advance(1_000_000_000)
    asked = virtual.query("n", "x")
    added = virtual.update("add", 4)
    with pytest.raises(Error, match="negative"):
        virtual.update("add", -1)
    virtual.send("topic", b"bytes")
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
def test_a_nasty_program_ends_as_on_the_last_of_them(path: Path) -> None:
    ends = []
    for each in (Kernel.read(LAST.read_bytes()), current_kernel()):
        program = replace(program_from_source(path.read_text(), modules=MODULES), kernel=each)
        virtual = VirtualHost(program, functions={"app:act": lambda *args: len(args)}, seed=42)
        try:
            ends.append(virtual.run())
        except Error as error:
            ends.append((error.kind, error.message))
        virtual.replay()
        virtual.close()
    assert ends[0] == ends[1]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None)
@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_a_value_has_the_same_text_as_ever(value: object, ascii: bool, indent: int | None) -> None:
    """Byte for byte, out of whatever text it came in."""
    came = Payload("json/plain", json.dumps(value, ensure_ascii=ascii, indent=indent).encode("utf-8", "replace"))
    texts = set()
    for kernel in (Kernel.read(LAST.read_bytes()), current_kernel()):
        session = Session(replace(program_from_source("return function(...) return ... end"), kernel=kernel), BOOT)
        texts.add(session.step([protocol.start([came])], protocol.Clock(now=0)).value)
        session.close()
    assert len(texts) == 1
