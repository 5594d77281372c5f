"""Queries and validators leave no trace: what a run does after them is what it does without them."""

from __future__ import annotations

import pytest

from runtime.errors import Error
from runtime.lua import protocol
from runtime.lua.protocol import Clock
from runtime.lua.session import Session
from runtime.payload import Payload
from runtime.testing import program_from_source
from tests.support import host, main

BOOT = {"class": "workflow", "pid": "{w|r}", "seed": 7, "ctx": {}, "info": {"workflow_id": "r"}}
GO = protocol.message("go", "{w|other}", [])

#: What is done in a question, and what main does around its waits.
ASKED = {
    "the text of a table": "return tostring({})",
    "the text of a function": "return tostring(function() end)",
    "a pointer": "return string.format('%p', {})",
    "a table twice": "local t = {} return tostring(t) == tostring(t)",
    "next": "return next({ z = 1, y = 2 })",
    "a walk that ends early": "for k in next, { z = 1, y = 2, x = 3 } do return k end",
    "pairs": "for k in pairs({ z = 1, y = 2, x = 3 }) do return k end",
    "next of what main walks": "return next(shared)",
    "walks of many tables": "for i = 1, 200 do next({ x = 1, y = i }) end",
    "random numbers": "return pcall(math.random), pcall(uuid.v4), pcall(uuid.v7)",
    "a version": "return pcall(workflow.version, 'v', 1, 2)",
    "a patch": "return pcall(workflow.patched, 'p')",
    "a deprecated patch": "return pcall(workflow.deprecate_patch, 'p')",
    "a coroutine of its own": "return coroutine.wrap(function() coroutine.yield(1) end)()",
    "a coroutine of main": "return thread()",
    "a coroutine of main, closed": "return coroutine.close(kept)",
    "an error": "error({})",
    "no memory": "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end",
    "no budget": "while true do end",
}
SOURCE = """
shared = { a = 1, b = 2, c = 3 }
local function counting() for i = 1, 100 do coroutine.yield(i) end end
thread, kept = coroutine.wrap(counting), coroutine.create(counting)
local function asked() %s end
return function()
  workflow.query("q", asked)
  workflow.update("u", function() end, asked)
  local seen, inbox = {}, process.inbox()
  local key = next(shared)
  while key do
    shared[key] = nil
    inbox:receive()
    local _, n = coroutine.resume(kept)
    seen[#seen + 1] = key .. " " .. tostring({}) .. " " .. tostring(function() end) .. " " .. thread() .. " " .. tostring(n)
    key = next(shared, key)
  end
  return seen
end
"""


def outcome(body: str, *, questions: int) -> bytes:
    session = Session(
        program_from_source(
            SOURCE % body, modules=("workflow", "uuid"), memory=8 * 1024 * 1024, instructions=1_000_000
        ),
        BOOT,
    )
    try:
        batch = session.step([protocol.start([])], Clock(1))
        while batch.state == "running":
            for _ in range(questions):
                _ask(session)
            batch = session.step([GO], Clock(2))
        assert batch.state == "done", batch.error
        assert batch.value is not None
        return batch.value.data
    finally:
        session.close()


def _ask(session: Session) -> None:
    """As a client and an update do; how it ends is not looked at here."""
    try:
        session.query("q", [])
    except Error:
        pass
    try:
        session.validate("u", [Payload.of(1)])
    except Error:
        pass


@pytest.mark.parametrize("body", ASKED.values(), ids=ASKED)
def test_what_follows_is_as_without(body: str) -> None:
    without = outcome(body, questions=0)
    assert without.startswith(b'["a table: 1 function: 2 1 1"')
    assert outcome(body, questions=3) == without


@pytest.mark.parametrize("name", ["version", "patched", "deprecate_patch"])
def test_what_marks_the_history_is_refused_by_name(name: str) -> None:
    asked: list[str] = []
    arguments = "'change', 1, 2" if name == "version" else "'change'"
    program = program_from_source(SOURCE % f"return workflow.{name}({arguments})", modules=("workflow",))

    def answer(*_: object) -> bool:
        asked.append(name)
        return True

    questions = {f"workflow.{name}": answer}
    session = Session(program, BOOT, questions=questions)
    session.step([protocol.start([])], Clock(1))
    for ask in (lambda: session.query("q", []), lambda: session.validate("u", [])):
        with pytest.raises(Error, match=rf"a query handler or validator cannot use 'workflow\.{name}'"):
            ask()
    assert asked == []
    session.close()


def test_a_question_numbers_what_it_meets_from_where_the_run_is() -> None:
    source = SOURCE % "local t = {} return tostring(t) .. ' ' .. tostring({}) .. ' ' .. tostring(t)"
    session = Session(program_from_source(source, modules=("workflow",)), BOOT)
    session.step([protocol.start([])], Clock(1))
    for _ in range(2):
        assert session.query("q", []).value() == "table: 1 table: 2 table: 1"
    session.step([GO], Clock(2))
    assert session.query("q", []).value() == "table: 3 table: 4 table: 3"
    session.close()


def test_a_name_that_is_nearly_known_is_suggested() -> None:
    body = """workflow.query('total', function() return 1 end)
    workflow.query('state', function() return 1 end)
    workflow.update('approve', function() end)
    process.inbox():receive()"""
    virtual = host(main(body))
    try:
        virtual.start()
        with pytest.raises(Error, match=r"unknown query 'totel'; known: state, total; did you mean 'total'[?]"):
            virtual.query("totel")
        with pytest.raises(Error, match=r"unknown query 'weather'; known: state, total$"):
            virtual.query("weather")
        with pytest.raises(Error, match=r"unknown update 'aprove'; did you mean 'approve'[?]"):
            virtual.update("aprove")
    finally:
        virtual.close()
