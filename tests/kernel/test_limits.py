"""A spent budget ends the execution, and nothing a script does keeps it from ending."""

from __future__ import annotations

import pytest

from runtime.errors import LIMIT_EXCEEDED, Error
from runtime.lua import protocol, session
from runtime.lua.interpreters import Interpreters
from runtime.lua.session import Session
from runtime.payload import Payload
from runtime.testing import program_from_source
from tests.support import fail, host, main, run

SPIN = "while true do end"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Budgets are what is tried here. On a busy machine the limits of time, which go by a clock, would end an event before them."""
    for name in ("MAX_SECONDS", "MAX_SECONDS_OF_A_WORKFLOW", "MAX_WALL_SECONDS"):
        monkeypatch.setattr(session, name, 600.0)


#: Calls itself in C until the hook's own call is one too many.
DEEP = """
local function deep(n)
  if n == 0 then local x = 0 for i = 1, 1000 do x = x + 1 end return x end
  return (setmetatable({}, {__index = function() return (deep(n - 1)) end})).x
end
"""


@pytest.mark.parametrize(
    "body",
    [
        SPIN,
        f"pcall(function() {SPIN} end) return 1",
        f"while true do pcall(function() {SPIN} end) end",
        f"xpcall(function() {SPIN} end, function(e) {SPIN} end) return 1",
        f"xpcall(error, function(e) {SPIN} end) return 1",
        f"local c = coroutine.create(function() {SPIN} end) coroutine.resume(c) return 1",
        f"pcall(coroutine.wrap(function() {SPIN} end)) return 1",
        f"local c <close> = setmetatable({{}}, {{__close = function() {SPIN} end}}) return 1",
        f"local c = coroutine.create(function() local x <close> = setmetatable({{}}, {{__close = function() {SPIN} end}})"
        " coroutine.yield() end) coroutine.resume(c) coroutine.close(c) return 1",
        f"table.sort({{3, 2, 1}}, function() {SPIN} end)",
        "local t = {} for i = 1, 200 do t[i] = i end table.sort(t, function() local n = 0 for i = 1, 1e6 do n = n + i end return true end)",
        f"('x'):gsub('x', function() {SPIN} end)",
        f"return tostring(setmetatable({{}}, {{__tostring = function() {SPIN} end}}))",
        f"return setmetatable({{}}, {{__index = function() {SPIN} end}}).x",
        f"for _ in (function() {SPIN} end) do end",
        f"coroutine.spawn(function() {SPIN} end) process.inbox():receive()",
        "while true do coroutine.wrap(function() local n = 0 for i = 1, 100 do n = n + i end end)() end",
        "local function f() return pcall(f) end while true do f() end",
        "return (('a'):rep(28)):find(('a-'):rep(28) .. '%f[b]')",
        "return string.find(('a'):rep(24), ('a?'):rep(24) .. ('a'):rep(24) .. '%f[b]')",
        "return (('a'):rep(3000)):match('.-.-.-.-%f[b]')",
        "local t = setmetatable({}, {__len = function() return 1 << 50 end}) table.insert(t, 1, 1)",
        "local t = setmetatable({}, {__len = function() return 1 << 50 end}) return table.concat(t)",
        "table.move({}, 1, 1 << 40, 2)",
        "while true do local s = ('x'):rep(1000000) end",
        f"{DEEP} for n = 150, 220 do xpcall(deep, function() {SPIN} end, n) end",
        f"{DEEP} for n = 150, 220 do local c = coroutine.create(function()"
        f" local x <close> = setmetatable({{}}, {{__close = function() {SPIN} end}}) deep(n) end)"
        " coroutine.resume(c) coroutine.close(c) end",
        f"{DEEP} for n = 150, 220 do while not pcall(deep, n) do end end while true do pcall(deep, 220) end",
    ],
)
def test_instructions(body: str) -> None:
    error = fail(body, instructions=300_000)
    assert error.kind == LIMIT_EXCEEDED
    assert error.retryable is False
    assert "limits.instructions of test:script" in error.message


def test_the_message_names_the_line() -> None:
    assert "spent at script.lua:3" in fail("local x = 1\nwhile true do x = x + 1 end", instructions=300_000).message


@pytest.mark.parametrize(
    "body",
    [
        "local s = 'x' while true do s = s .. s end",
        "local t = {} while true do t[#t + 1] = {} end",
        "while true do local ok, e = pcall(function() local s = 'x' while true do s = s .. s end end) end",
        "local t = {} while true do t[#t + 1] = coroutine.create(print) end",
    ],
)
def test_memory(body: str) -> None:
    error = fail(body, memory=8 * 1024 * 1024, instructions=2_000_000_000)
    assert error.kind == LIMIT_EXCEEDED
    assert "limits.memory of test:script" in error.message


def test_the_budget_is_per_step() -> None:
    body = "for i = 1, 20 do local n = 0 for j = 1, 20000 do n = n + j end time.sleep('1s') end return 'done'"
    assert run(body, instructions=300_000) == "done"


def test_deep_recursion_is_an_ordinary_error() -> None:
    assert "stack overflow" in run(
        "local function f() return 1 + f() end local ok, e = pcall(f) return e", memory=1 << 28
    )


@pytest.mark.parametrize("body", ["return ('x'):rep(1 << 40)", "return ('x'):rep(1 << 62)"])
def test_huge_strings_are_refused(body: str) -> None:
    assert "too large" in fail(body).message


def test_an_error_that_overflowed_is_handled_once_it_is_caught() -> None:
    body = (
        f"{DEEP} return {{xpcall(deep, function(e) return 'handled ' .. tostring(e):match('stack overflow') end, 400)}}"
    )
    assert run(body) == [False, "handled stack overflow"]


def test_repeating_nothing_is_free() -> None:
    assert run("return (''):rep(1 << 60)") == ""


def test_waiting_where_lua_cannot_wait_says_so() -> None:
    error = fail("table.sort({2, 1}, function() time.sleep('1s') return true end)")
    assert "inside a table.sort comparator" in error.message


@pytest.mark.parametrize("_", range(5))
def test_the_line_is_named_whatever_is_spent(_: int) -> None:
    """The hook of a coroutine fires wherever the count ends, so each interpreter may be asked for the line at another count."""
    error = fail("\n\nwhile true do funcs.async('a:b') end", instructions=2_000_000_000)
    assert error.kind == LIMIT_EXCEEDED
    assert error.message.startswith("commands limit of a step spent at script.lua:")


def test_memory_that_ends_where_the_host_hands_over_a_value() -> None:
    """The allocation of the value itself would fail, where nothing may: the thread would never come back."""
    program = program_from_source(main("return #workflow.patched('x')"), modules=("workflow",), memory=1024 * 1024)
    boot = {"class": "workflow", "pid": "", "seed": 1, "ctx": {}, "info": {}}
    session = Session(program, boot, questions={"workflow.patched": lambda _: "x" * 32 * 1024 * 1024})
    batch = session.step([protocol.start([])], protocol.Clock(now=0))
    assert batch.error is not None or (batch.value is not None and batch.value.value() == 32 * 1024 * 1024)
    session.close()


@pytest.mark.parametrize("piece", ["('x'):rep(9000)", "('x'):rep(200)", "('x'):rep(900, ',')", "n + 1"])
def test_a_budget_ends_at_the_same_place_whatever_the_clock_says(piece: str) -> None:
    """Some of these runs see a second of wall clock pass, and look at their time then; that must not count."""
    body = f"local n = 0 while true do n = n + 1 local _ = {piece} if n % 1000 == 0 then print(n) end end"
    ends = set()
    for _ in range(8):
        virtual = host(main(body))
        virtual.start()
        assert virtual.final is not None
        ends.add(virtual.final.frame)
        virtual.close()
    assert len(ends) == 1
    assert b"instruction budget of 20000000 spent at script.lua:2" in ends.pop()


def session_of(body: str, memory: int = 64 * 1024 * 1024) -> Session:
    boot = {"class": "workflow", "pid": "", "seed": 1, "ctx": {}, "info": {}}
    return Session(program_from_source(main(body), modules=("workflow", "logger"), memory=memory), boot)


def test_a_message_larger_than_the_memory_left_ends_the_run_and_not_the_process() -> None:
    fill = "local keep = {} for i = 1, 38 do keep[i] = ('x'):rep(300000) .. i end"
    session = session_of(f"{fill} process.inbox():receive() keep[0] = ('z'):rep(2000000)", memory=4 * 1024 * 1024)
    assert session.step([protocol.start([])], protocol.Clock(now=0)).state == "running"
    with pytest.raises(Error, match="memory limit"):
        session.query("__status", [Payload.of("y" * 3_000_000)])
    message = protocol.message("tick", "", [Payload.of("y" * 3_000_000)])
    batch = session.step([message], protocol.Clock(now=1))
    assert batch.spent == "memory"
    assert batch.error is not None
    assert batch.error.kind == LIMIT_EXCEEDED
    session.close()


@pytest.mark.parametrize("asked", ["query", "validate"])
def test_a_question_that_runs_out_of_memory_leaves_the_run_as_it_was(asked: str) -> None:
    """Wherever it ends: a replay is not asked it, so what comes after must be the same."""
    handlers = (
        "local function many(v) local t = {} for i = 1, 1500 do t[i] = {v, 'x' .. i} end return t end "
        "workflow.query('many', many) workflow.update('many', many, function(v) many(v) end) "
    )
    body = handlers + "logger:info(process.inbox():receive():topic()) return many(1)"
    argument = Payload.of(list(range(100)))
    ends, failures = set(), []
    for room in range(-200_000, 300_000, 15_013):
        session = session_of(body)
        assert session.step([protocol.start([])], protocol.Clock(now=0)).state == "running"
        interpreter = session._interpreter
        assert interpreter is not None
        limit = 72 * 1024 * 1024
        interpreter.limit_memory(interpreter.memory_used() + room)
        try:
            session.query("many", [argument]) if asked == "query" else session.validate("many", [argument])
        except Error as error:
            failures.append(error.kind)
        interpreter.limit_memory(limit)
        ends.add(session.step([protocol.message("tick", "", [])], protocol.Clock(now=1)).frame)
        session.close()
    assert len(failures) > 3
    assert set(failures) == {LIMIT_EXCEEDED}
    assert len(ends) == 1
    assert ends.pop().startswith(b"done\n")


@pytest.mark.parametrize(
    ("value", "bytes"),
    [("('x'):rep(n)", 34_000_000), ("('\\n'):rep(n)", 17_000_000), ("{ ('x'):rep(n) }", 34_000_000)],
    ids=["text", "escaped", "table"],
)
def test_a_value_is_limited_by_its_size(value: str, bytes: int) -> None:
    program = program_from_source(f"return {{ main = function(n) return {value} end }}", memory=1 << 29)
    session = Session(program, {"class": "activity", "seed": 1, "entry": "test:script", "pid": "p"})
    batch = session.step([protocol.start([Payload.of(bytes)])], protocol.Clock(now=0))
    session.close()
    assert batch.error is not None
    assert (batch.error.kind, batch.error.details) == ("LimitExceeded", {"limit": "values"})
    assert batch.error.message.startswith("the values of a step are more than 32 MiB")


def test_the_time_that_a_large_value_took_to_write_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    excused: list[int] = []
    monkeypatch.setattr(Session, "_excuse", lambda _, size: excused.append(size))
    program = program_from_source("return { main = function(n) return ('x'):rep(n) end }", memory=1 << 29)
    for size in (1000, 3_000_000):
        session = Session(program, {"class": "activity", "seed": 1, "entry": "test:script", "pid": "p"})
        assert session.step([protocol.start([Payload.of(size)])], protocol.Clock(now=0)).state == "done"
        session.close()
    assert excused == [3_000_002]


@pytest.mark.parametrize(
    "body",
    [
        "local function f(n) if n == 0 then return ('x'):upper() end return select(2, pcall(f, n - 1)) end return f(n)",
        "local function f(n) if n == 0 then return ('x'):upper() end"
        " return (setmetatable({}, { __index = function() return (f(n - 1)) end })).x end return f(n)",
    ],
    ids=["pcall", "metamethods"],
)
def test_a_stack_without_room_for_a_file_of_the_kernel_is_a_limit_of_its_own(body: str) -> None:
    """At such a depth another interpreter, which has the file already, goes on."""
    program = program_from_source(f"return {{ main = function(n) {body} end }}")
    spent = set()
    for depth in range(180, 200):
        session = Session(
            program, {"class": "workflow", "seed": 1, "entry": "test:script", "pid": "p"}, interpreters=Interpreters()
        )
        batch = session.step([protocol.start([Payload.of(depth)])], protocol.Clock(now=0))
        session.close()
        if batch.spent is not None and batch.error is not None:
            spent.add((batch.spent, batch.error.kind, batch.error.message))
    text = "calls in C (pcall, metamethods, callbacks) are nested too deeply: nest them less"
    assert spent == {("stack", LIMIT_EXCEEDED, text)}
