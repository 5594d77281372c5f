"""Two interpreters for each step: what differs is caught, what may differ is let pass, and the host notices nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from runtime.errors import Error, invalid
from runtime.lua import protocol
from runtime.lua.session import Session
from runtime.lua.shadow import ShadowDiffers, ShadowSession
from runtime.payload import Payload
from runtime.testing import program_from_source
from tests.lua.holes import BORDERS
from tests.support import host, main

CLOCK = protocol.Clock(now=0)
BOOT = {"class": "workflow", "pid": "{w|r}", "seed": 7, "ctx": {}, "info": {}}
MODULES = ("funcs", "time", "workflow", "json", "logger")


@contextmanager
def shadowed(source: str, *, questions: Mapping[str, Any] | None = None, **program: Any) -> Iterator[ShadowSession]:
    session = ShadowSession(program_from_source(source, modules=MODULES, **program), BOOT, questions=questions)
    try:
        yield session
    finally:
        session.close()


def start(session: Session) -> protocol.Batch:
    return session.step([protocol.start([])], CLOCK)


def test_a_command_that_differs_is_told_with_its_line_and_both_batches() -> None:
    body = BORDERS + "logger:info('fine')\nlogger:info('borders', { borders = borders })\nprocess.inbox():receive()"
    source = main(body)
    with shadowed(source) as session, pytest.raises(ShadowDiffers) as caught:
        start(session)
    said = str(caught.value)
    line = 1 + source[: source.index("'borders'")].count("\n")
    assert said.startswith("shadow execution differs: a step of ")
    assert f":{line}\n" in said
    assert '"log"' in said
    assert len(set(re.findall(r'"borders":\[[\d,]+\]', said))) == 2
    assert "holes" in said


def test_a_result_that_differs() -> None:
    with (
        shadowed(main(BORDERS + "return borders")) as session,
        pytest.raises(ShadowDiffers, match="with another value"),
    ):
        start(session)


def test_commands_that_only_one_gives() -> None:
    body = (
        BORDERS
        + "for i = 1, #borders do if borders[i] > 5 then logger:info('x' .. i) end end process.inbox():receive()"
    )
    with shadowed(main(body)) as session, pytest.raises(ShadowDiffers, match="in the command"):
        start(session)


def test_a_query_and_a_validator_that_differ() -> None:
    body = (
        "workflow.query('borders', function() " + BORDERS + " return borders end)\n"
        "workflow.update('add', function() end, function() "
        + BORDERS
        + " return nil, table.concat(borders, ' ') end)\n"
        "workflow.query('fine', function(n) return n end)\n"
        "process.inbox():receive()"
    )
    with shadowed(main(body)) as session:
        assert start(session).state == "running"
        with pytest.raises(ShadowDiffers, match="a query of"):
            session.query("borders", [])
        with pytest.raises(ShadowDiffers, match="a validate of"):
            session.validate("add", [])
        assert session.query("fine", [Payload.of(3)]).value() == 3


def test_the_host_is_asked_once_and_both_hear_the_answer() -> None:
    asked: list[tuple[str, int, int]] = []

    def version(change: str, least: int, most: int) -> int:
        asked.append((change, least, most))
        if change == "refused":
            raise invalid("out of range")
        return len(asked)  # another answer each time

    body = (
        "local a, b = workflow.version('a', 1, 9), workflow.version('b', 1, 9)\n"
        "local none, problem = workflow.version('refused', 1, 2)\n"
        "return { a, b, none == nil, tostring(problem) }"
    )
    with shadowed(main(body), questions={"workflow.version": version}) as session:
        batch = start(session)
    assert batch.value is not None
    first, second, none, problem = batch.value.value()
    assert (first, second, none) == (1, 2, True)
    assert "out of range" in problem
    assert [change for change, _, _ in asked] == ["a", "b", "refused"]


def test_a_question_that_only_one_asks() -> None:
    body = BORDERS + "for i = 1, 64 do workflow.version('v' .. i .. borders[i], 1, 9) end process.inbox():receive()"
    questions = {"workflow.version": lambda *_: 1}
    with (
        shadowed(main(body), questions=questions) as session,
        pytest.raises(ShadowDiffers, match=r"one asked workflow\.version"),
    ):
        start(session)


def test_a_step_that_ended_for_memory_in_one_only_is_not_compared(caplog: pytest.LogCaptureFixture) -> None:
    body = "local t = {} for i = 1, 20000 do t[i] = 'text ' .. i end\nprocess.inbox():receive()\nreturn 'got it'"
    with shadowed(main(body)) as session:
        shadow = session._shadow
        assert shadow is not None
        assert shadow._interpreter is not None
        shadow._interpreter.limit_memory(shadow._interpreter.memory_used() + 100_000)
        assert start(session).state == "running"
        assert "goes on without shadow execution" in caplog.text
        batch = session.step([protocol.message("", "", [Payload.of("hello")])], CLOCK)
        assert batch.state == "done"


@pytest.mark.parametrize(
    ("body", "limits"),
    [
        ("while true do end", {"instructions": 1_000_000}),
        ("local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end", {"memory": 1024 * 1024}),
    ],
)
def test_a_spent_budget_is_the_script_s_failure_as_ever(body: str, limits: dict[str, Any]) -> None:
    with shadowed(main(body), **limits) as session:
        batch = start(session)
    assert batch.error is not None
    assert batch.error.kind == "LimitExceeded"


def test_what_a_script_may_see_of_its_interpreter_is_the_same_in_both() -> None:
    body = """
      local keys, t = {}, {}
      for i = 1, 300 do t['key' .. i] = i end
      for key in pairs(t) do keys[#keys + 1] = key end
      local texts = { tostring({}), tostring(print), string.format('%p %s', {}, function() end), math.random(), os.time() }
      table.sort(keys, function(a, b) return t[a] % 7 < t[b] % 7 end)
      local _, problem = pcall(function() return {} + 1 end)
      logger:info('seen', { keys = keys, texts = texts, problem = tostring(problem) })
      time.sleep('1h')
      return { next({ b = 1, a = 2, [3] = 1 }), json.encode(t) }
    """
    virtual = host(main(body), shadow=True)
    try:
        assert virtual.run()[0] == 3
    finally:
        virtual.close()


def test_the_virtual_host_tells_too() -> None:
    virtual = host(main(BORDERS + "return borders"), shadow=True)
    try:
        with pytest.raises(ShadowDiffers):
            virtual.run()
    finally:
        virtual.close()


def test_closing_frees_both_and_a_closed_one_answers_nobody() -> None:
    with shadowed(main("process.inbox():receive()")) as session:
        start(session)
        session.close()
        session.close()
        assert session._shadow is None
        with pytest.raises(Error, match="closed"):
            session.step([], CLOCK)
