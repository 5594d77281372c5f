"""Interpreters that serve one program after another: no program can tell whether it is the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import Error
from runtime.lua import interpreter as interpreter_module
from runtime.lua import protocol
from runtime.lua.interpreter import Interpreter
from runtime.lua.interpreters import Interpreters
from runtime.lua.kernel import Kernel, current_kernel
from runtime.lua.program import Program
from runtime.lua.session import Session
from runtime.payload import Payload
from runtime.testing import VirtualHost, program_from_source, virtual
from tests.determinism.programs import MODULES as LEGAL_MODULES
from tests.determinism.programs import PROGRAMS
from tests.security.corpus import MODULES, attacks
from tests.support import main

BOOT: Mapping[str, Any] = {"class": "workflow", "pid": "{w|r}", "seed": 1, "ctx": {}, "info": {}}

#: What a script can see of itself and of its interpreter, in one text; and a second one after a message, when it has waited.
SEES = """
local function names(t)
  local found = {}
  for key, value in pairs(t) do found[#found + 1] = tostring(key) .. "=" .. type(value) end
  return table.concat(found, " ")
end
local function seen()
  local ok, problem = pcall(function() return ("x"):nothing() end)
  return json.encode({
    globals = names(_G), string = names(string), table = names(table), math = names(math), utf8 = names(utf8),
    coroutine = names(coroutine), strings = tostring(getmetatable("")),
    number = tostring(getmetatable(1)), fn = tostring(getmetatable(print)), none = tostring(getmetatable(nil)),
    bool = tostring(getmetatable(true)), thread = tostring(getmetatable(coroutine.create(print))),
    address = tostring({}), another = tostring(function() end), random = math.random(), uuid = uuid.v4(),
    sum = "10" + 1, upper = ("ab"):upper(), pid = process.pid(), ctx = ctx.all(), now = tostring(time.now()),
    error = tostring(errors.new("x")), metatable = tostring(getmetatable(errors.new("x"))), problem = problem, ok = ok,
    running = { tostring(coroutine.running()), select(2, coroutine.running()) }, yieldable = coroutine.isyieldable(),
    env = load("local found = {} for k in pairs(_ENV) do found[#found + 1] = tostring(k) end return table.concat(found, ' ')")(),
  })
end
return function(argument)
  local first = seen()
  workflow.status("of this run")
  local message = process.inbox():receive()
  return { first, seen(), argument, message:topic() }
end
"""

#: What programs leave behind, each in its own way.
LEAVES = {
    "globals": "leftover = 1 _G.print = nil string = nil _ENV.tostring = function() return 'mine' end",
    "libraries": "pcall(function() string.upper = 1 end) pcall(rawset, table, 'concat', 1) pcall(rawset, getmetatable('') or {}, 'x', 1)",
    "classes": "local e = errors.new('x') pcall(setmetatable, e, {}) pcall(rawset, e, 'message', 2) pcall(rawset, errors, 'new', 1)",
    "random": "for i = 1, 17 do math.random() uuid.v4() end for i = 1, 9 do tostring({}) end",
    "coroutines": """
      for i = 1, 3 do
        local thread = coroutine.create(function()
          local held <close> = setmetatable({}, { __close = function() leaked = (leaked or 0) + 1 end })
          coroutine.yield()
        end)
        coroutine.resume(thread)
        coroutine.spawn(function()
          local held <close> = setmetatable({}, { __close = function() for i = 1, 1000 do end end })
          channel.new():receive()
        end)
      end""",
    "loaded": "late = load('return function() return leftover end')() load('string.upper = nil')",
    "text": "pcall(string.rep, 'x', 1e6) pcall(string.format, '%d', 'x') for w in ('a b'):gmatch('%a') do end ('x'):find('(a*)*b')",
    "context": "workflow.status('of another') channel.new(3):send(1) workflow.query('left', print) workflow.update('left', print)",
    "cycle": "local a, b = {}, {} a.b, b.a = b, a setmetatable(a, { __index = b, __close = print, __tostring = function() return 'a' end })",
    "garbage": "local t = {} for i = 1, 20000 do t[i] = { i } end",
    "error": "error({ code = 1 })",
    "deep": "local function f(n) return n == 0 and 0 or 1 + f(n - 1) end f(10000)",
    "overflow": "local function f() return 1 + f() end pcall(f)",
    "budget": "pcall(function() while true do end end)",
    "memory": "local t = {} for i = 1, 100 do t[i] = ('x'):rep(1000000 + i) end",
    "waits": "process.inbox():receive()",
}


def run(session: Session, *arguments: Any) -> list[bytes]:
    """Both steps of the program, and what it is asked between them."""
    start = protocol.start([Payload.of(argument) for argument in arguments])
    frames = [session.step([start], protocol.Clock(now=1)).frame]
    for question in ("__status", "left", "__lua_stack"):
        try:
            frames.append(session.query(question, []).data)
        except Error as error:
            frames.append(str(error).encode())
    return [*frames, session.step([protocol.message("tick", "", [])], protocol.Clock(now=2)).frame]


def sees(interpreters: Interpreters) -> list[bytes]:
    session = Session(program_from_source(SEES, modules=MODULES), BOOT, interpreters=interpreters)
    try:
        return run(session, "argument")
    finally:
        session.close()


def leaves(interpreters: Interpreters, source: str, kind: str = "workflow") -> None:
    """Runs a program to where it ends or waits, and closes it."""
    boot = {**BOOT, "class": kind, "pid": "{other}", "seed": 99, "ctx": {"left": "context"}}
    program = program_from_source(source, modules=MODULES, instructions=2_000_000, memory=8 * 1024 * 1024)
    session = Session(program, boot, interpreters=interpreters)
    session.step([protocol.start([])], protocol.Clock(now=99))
    session.close()


def count(interpreters: Interpreters) -> int:
    return sum(len(idle) for idle in interpreters._idle.values())


@pytest.mark.parametrize("name", LEAVES)
@pytest.mark.parametrize("kind", ["workflow", "function", "handler", "activity"])
def test_a_program_sees_nothing_of_an_earlier_one(name: str, kind: str) -> None:
    alone = sees(Interpreters())
    interpreters = Interpreters()
    leaves(interpreters, main(LEAVES[name]), kind)
    assert sees(interpreters) == alone


@settings(max_examples=25)
@given(st.lists(st.sampled_from(sorted(LEAVES)), max_size=6))
def test_a_program_after_any_others_is_as_alone(names: Sequence[str]) -> None:
    interpreters = Interpreters()
    for name in names:
        leaves(interpreters, main(LEAVES[name]))
    assert sees(interpreters) == ALONE


ALONE = sees(Interpreters())


def test_it_sees_all_that_it_looks_at() -> None:
    """What the others compare is no failure to look."""
    assert ALONE[0].startswith(b"running")
    assert ALONE[1] == b'"of this run"'
    assert ALONE[-1].startswith(b"done")
    assert ALONE[-1].count(b"byte=function char=function") == 2


def test_the_next_program_has_the_interpreter_of_the_last() -> None:
    interpreters = Interpreters()
    sees(interpreters)
    first = interpreters._taken(current_kernel())
    assert first is not None
    interpreters.give_back(current_kernel(), first)
    sees(interpreters)
    assert interpreters._taken(current_kernel()) is first
    assert first.served == 2
    first.close()


@pytest.mark.parametrize("name", ["budget", "memory"])
def test_one_that_spent_a_limit_is_not_used_again(name: str) -> None:
    interpreters = Interpreters()
    leaves(interpreters, main(LEAVES[name]))
    assert count(interpreters) == 0


def test_one_that_holds_much_is_not_used_again() -> None:
    interpreters = Interpreters()
    leaves(interpreters, main("for i = 1, 60000 do _ENV['some name ' .. i] = i end"))
    assert count(interpreters) == 1  # what it held is gone with it
    interpreter = interpreters._taken(current_kernel())
    assert interpreter is not None
    assert interpreter.held < 2 * 1024 * 1024
    interpreter.close()


def test_one_serves_so_many_programs_and_no_more() -> None:
    interpreters = Interpreters(programs=3)
    counts = []
    for _ in range(6):
        leaves(interpreters, main("return 1"))
        counts.append(count(interpreters))
    assert counts == [1, 1, 0, 1, 1, 0]


def test_nothing_holds_on_to_a_program_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the globals nor the strings' metatable; a table of the script is gone with the next collection."""
    spies: list[Any] = []
    make = interpreter_module._runtime

    def spied(memory: int | None = None) -> Any:
        lua = make(memory)
        spies.append(lua.execute(SPY))
        return lua

    monkeypatch.setattr(interpreter_module, "_runtime", spied)
    interpreters = Interpreters()
    before: tuple[int, bytes] = (0, b"")
    for source in (main("return 1"), SEES, *map(main, LEAVES.values())):
        leaves(interpreters, source)
        if count(interpreters):
            seen, alive, met = spies[-1]()
            assert (alive, met > 0) == (0, True), source
            assert before == (len(spies), seen) or before[0] < len(spies), source
            before = (len(spies), seen)
    spies.clear()


#: Run before the kernel's first chunk: what the globals are and what strings have, and how many environments of scripts are alive.
SPY = b"""
local next, tostring, join, collect, getmetatable = next, tostring, debug.upvaluejoin, collectgarbage, debug.getmetatable
local getupvalue, type = debug.getupvalue, type
local environments, globals, met = setmetatable({}, { __mode = "k" }), _G, 0
function debug.upvaluejoin(file, i, other, j)
  local _, env = getupvalue(other, j)
  if type(env) == "table" then environments[env], met = true, met + 1 end
  return join(file, i, other, j)
end
return function()
  collect("collect")
  local names, alive = {}, 0
  for name, value in next, globals do names[#names + 1] = name .. " " .. tostring(value) end
  for name, value in next, getmetatable("") do
    names[#names + 1] = name .. (name == "__index" and "" or " of strings " .. tostring(value))
  end
  for _ in next, environments do alive = alive + 1 end
  table.sort(names)
  return table.concat(names, ","), alive, met
end
"""


def test_what_lasts_is_as_it_was_when_a_program_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that can be reached from what begins the next one: every local, table and metatable of the kernel's and the modules'."""
    walks: list[Any] = []
    make = interpreter_module._runtime

    def watched(memory: int | None = None) -> Any:
        lua = make(memory)
        walks.append(lua.execute(WALK))
        return lua

    monkeypatch.setattr(interpreter_module, "_runtime", watched)
    interpreters = Interpreters(programs=10_000)

    def ends_well(source: str, kind: str) -> bool:
        alone = Interpreters()
        leaves(alone, source, kind)
        return count(alone) == 1

    def state_after(source: str, kind: str) -> dict[bytes, bytes]:
        leaves(interpreters, source, kind)
        idle = interpreters._taken(current_kernel())
        assert idle is not None
        lines = walks[-1](idle._begin).split(b"\n")
        interpreters.give_back(current_kernel(), idle)
        return dict(line.split(b" = ", 1) for line in lines)

    sources = [SEES, *map(main, LEAVES.values()), *(path.read_text() for path in PROGRAMS)]
    programs = [(source, kind) for kind in ("workflow", "function") for source in sources if ends_well(source, kind)]
    assert len(programs) > len(sources)
    walks.clear()
    for program in programs:  # what lasts is loaded by those that are first to need it
        state_after(*program)
    before = state_after(main("return 1"), "workflow")
    assert len(before) > 1000
    for program in programs:
        after = state_after(*program)
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        assert not changed, (program, sorted(changed)[:10])
    assert len(walks) == 1


#: Run before the kernel's first chunk: a line for each place that a function leads to. How much memory was held last is the only
#: fraction among them, and what a coroutine waits with is not looked at.
WALK = rb"""
local next, type, tostring, math, table, collect, debug, setmetatable = next, type, tostring, math, table, collectgarbage, debug, setmetatable
local ids, last = setmetatable({}, { __mode = "k" }), 0
local format, gsub = string.format, string.gsub
local function name_of(key)
  if type(key) == "string" then return (gsub(format("%q", key), "[\n=]", "~")) end
  if type(key) == "number" or type(key) == "boolean" or key == nil then return tostring(key) end
  if not ids[key] then
    last = last + 1
    ids[key] = last
  end
  return type(key) .. "#" .. ids[key]
end
return function(root)
  collect("collect")
  local seen, lines, queue, first = {}, {}, {}, 1
  local function visit(value, path)
    local kind = type(value)
    if kind == "table" or kind == "function" or kind == "thread" then
      lines[#lines + 1] = path .. " = " .. (seen[value] or kind)
      if seen[value] then return end
      seen[value] = path
      queue[#queue + 1] = value
    elseif math.type(value) ~= "float" then -- the kernel has one, the KiB in use when it last collected garbage
      lines[#lines + 1] = path .. " = " .. name_of(value)
    end
  end
  local function look_into(value, path)
    if type(value) == "function" then
      local i = 1
      while true do
        local name, held = debug.getupvalue(value, i)
        if not name then break end
        visit(held, path .. "^" .. i)
        i = i + 1
      end
    elseif type(value) == "table" then
      local names, values = {}, {}
      for key, item in next, value do
        local name = name_of(key)
        names[#names + 1] = name
        values[name] = item
      end
      table.sort(names)
      for i = 1, #names do visit(values[names[i]], path .. "." .. names[i]) end
      visit(debug.getmetatable(value), path .. ".<meta>")
    end
  end
  visit(root, "begin")
  while queue[first] ~= nil do
    look_into(queue[first], seen[queue[first]])
    first = first + 1
  end
  table.sort(lines)
  return table.concat(lines, "\n")
end
"""


def test_a_late_call_of_the_host_is_refused() -> None:
    interpreters = Interpreters()
    session = Session(program_from_source(SEES, modules=MODULES), BOOT, interpreters=interpreters)
    interpreter = session._interpreter
    assert interpreter is not None
    session.close()
    assert interpreter._answered(b"overdue") == (False,)


def test_a_new_limit_of_memory_holds() -> None:
    """Whatever the last program was allowed, and had used."""
    interpreters = Interpreters()
    hungry = main("local t = {} for i = 1, 12 do t[i] = ('x'):rep(1024 * 1024) .. i end return #t")
    for memory, state in ((64, "done"), (2, "failed"), (64, "done"), (8, "done"), (2, "failed")):
        program = program_from_source(hungry, memory=memory * 1024 * 1024)
        session = Session(program, BOOT, interpreters=interpreters)
        batch = session.step([protocol.start([])], protocol.Clock(now=0))
        assert (batch.state, batch.spent) == (state, "memory" if state == "failed" else None)
        session.close()


@pytest.mark.parametrize("budget", range(4_000, 100_000, 6_000))
def test_a_budget_ends_at_the_same_place_in_one_that_served_before(budget: int) -> None:
    """Whatever the earlier program loaded: nothing of that is counted."""
    body = """
      local out = {}
      for i = 1, 400 do
        out[i] = string.format('%d %s', i, ('x'):rep(3)):upper()
        if i % 100 == 0 then logger:info(json.encode({ i, tostring(time.parse_duration('90s')) })) end
      end
      return out
    """
    program = program_from_source(main(body), modules=MODULES, instructions=budget)
    used = Interpreters()
    leaves(used, SEES)
    leaves(used, main("return json.encode({ string.format('%d', 1), tostring(time.parse_duration('90s')) })"))
    frames = []
    for interpreters in (Interpreters(), used):
        session = Session(program, BOOT, interpreters=interpreters)
        frames.append(session.step([protocol.start([])], protocol.Clock(now=0)).frame)
        session.close()
    assert frames[0] == frames[1]


def _frames(program: Program, monkeypatch: pytest.MonkeyPatch, interpreters: Interpreters) -> list[bytes]:
    def session(*args: Any, **options: Any) -> Session:
        return Session(*args, **options, interpreters=interpreters)

    with monkeypatch.context() as patch:
        patch.setattr(virtual, "Session", session)
        host = VirtualHost(program, functions={"app:act": lambda *args: len(args)}, seed=42)
        try:
            host.run()
        except Error:
            assert host.final is not None
        host.close()
    return [step.batch.frame for step in host.steps]


def test_legal_programs_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The determinism corpus, all in one interpreter and each in one of its own: the same bytes."""
    shared = Interpreters(programs=10_000)
    for path in PROGRAMS:
        program = program_from_source(path.read_text(), modules=LEGAL_MODULES)
        alone = _frames(program, monkeypatch, Interpreters())
        assert _frames(program, monkeypatch, shared) == alone, path.stem
        assert _frames(program, monkeypatch, shared) == alone, path.stem


def test_attacks_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The corpus in one interpreter, which serves on even where a limit was spent, short of memory: a canary sees nothing of any."""
    shared = Interpreters(programs=10_000)
    kept = 0
    for attack in attacks("workflow"):
        program = program_from_source(
            attack.source,
            modules=MODULES,
            memory=min(attack.memory, 16 << 20),
            instructions=min(attack.instructions, 10**6),
        )
        session = Session(program, BOOT, interpreters=shared)
        spent = session.step([protocol.start([])], protocol.Clock(now=0)).spent
        session._sound = session._sound or spent == "instructions"
        session.close()
        kept += count(shared)
        assert sees(shared) == ALONE, attack.name
    assert kept > len(attacks("workflow")) // 2


def test_a_kernel_of_old_serves_one_program() -> None:
    kernel = Kernel({"kernel/boot": "local host = ... return function(kind) return kind end"})
    interpreters = Interpreters()
    interpreter = interpreters.take(kernel, lambda *_: (False,), 1 << 20)
    assert isinstance(interpreter, Interpreter)
    assert interpreter.call(b"step") == b"step"
    interpreters.give_back(kernel, interpreter)
    assert interpreters._taken(kernel) is None


@pytest.mark.parametrize("depth", range(180, 197))
def test_a_file_that_did_not_come_to_its_end_is_run_again(depth: int) -> None:
    """The stack of C had no room left for it: later, and in the next program, it is there as it always is."""
    uses = "('x'):upper(), channel.new(1), errors.new('y'), json.encode({ 1 }), time.parse_duration('90s'), uuid.v4()"
    body = f"""
      local function nest(n, use)
        if n == 0 then return use() end
        return select(2, pcall(nest, n - 1, use))
      end
      local function all() logger:info('x') return {uses} end
      nest({depth}, all)
      nest({depth}, function() return ('x'):upper() end)
      nest({depth}, function() return tostring(time.parse_duration('90s')) end)
      return {{ pcall(function() return tostring(select(5, all())) end) }}
    """
    interpreters = Interpreters()
    session = Session(program_from_source(main(body), modules=MODULES), BOOT, interpreters=interpreters)
    frame = session.step([protocol.start([])], protocol.Clock(now=0)).frame
    session.close()
    # Not even what loads a file could begin anew, or the file found no room: that is a limit, and the task's failure.
    at_the_very_end = b'"spent":"memory"' in frame or b'"limit":"stack"' in frame
    assert at_the_very_end or frame.endswith(b'[true,"1m30s"]')
    assert count(interpreters) == (0 if at_the_very_end else 1)
    assert sees(interpreters) == ALONE
