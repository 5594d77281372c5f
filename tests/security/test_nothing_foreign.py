"""No Python object is within a script's reach, by a walk with the raw debug library that no script has."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.lua import interpreter, protocol
from runtime.lua.interpreters import Interpreters
from runtime.lua.session import Session
from runtime.testing import program_from_source
from tests.security.corpus import MODULES

#: Run before the kernel's first chunk: keeps `debug`, and the environment that the script's file is given.
SPY = b"""
local getmetatable, getinfo, next, type, select = debug.getmetatable, debug.getinfo, next, type, select
local allowed, env = {}, nil
for _, f in next, { ipairs, select, tonumber, error, assert, rawequal, string.packsize, utf8.codes, coroutine.isyieldable } do
  allowed[f] = true
end
for _, f in next, math do allowed[f] = true end
local wrap = coroutine.wrap
function coroutine.wrap(f) -- the kernel's own: what is loaded on demand is looked up by one
  local wrapped = wrap(f)
  allowed[wrapped] = true
  return wrapped
end
local join, getupvalue = debug.upvaluejoin, debug.getupvalue
function debug.upvaluejoin(f, i, g, j) -- the kernel's own: a script's file is given its environment by one
  if getinfo(f, "S").source == "@script.lua" then env = select(2, getupvalue(g, j)) end
  return join(f, i, g, j)
end
return function()
  local seen, found, tables = {}, {}, 0
  local function visit(value, path)
    local kind = type(value)
    if kind == "userdata" then found[#found + 1] = path .. " is userdata" end
    if kind == "function" and getinfo(value, "S").what == "C" and not allowed[value] then
      found[#found + 1] = path .. " is a C function"
    end
    if kind ~= "table" or seen[value] then return end
    seen[value] = true
    tables = tables + 1
    for k, v in next, value do
      visit(k, path .. ".<key>")
      visit(v, path .. "." .. (type(k) == "string" and k or "?"))
    end
    local meta = getmetatable(value)
    if meta then visit(meta, path .. ".<meta>") end
  end
  visit(env, "_ENV")
  visit(getmetatable("").__index, "string")
  return tables, table.concat(found, "\\n")
end
"""

#: Looks into every module, so that all of them are loaded, and keeps one object of each class that it can make.
TOUCH = """
return function()
  for _, name in ipairs({%s}) do local _ = require(name).nothing end
  objects = {
    channel.new(), channel.new():case_receive(), errors.new("x"), payload.new(1), time.now(), time.utc, time.timer("1s"),
    time.parse_duration("1s"), funcs.new(), (funcs.async("a:b")), saga.new(), process.with_context({}), json.null,
    coroutine.create(print), logger, process.event, crypto.random, crypto.jwt,
  }
  process.inbox():receive()
end
"""


def test_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    walks: list[Any] = []
    make = interpreter._runtime

    def spied(memory: int | None = None) -> Any:
        lua = make(memory)
        walks.append(lua.execute(SPY))
        return lua

    program = program_from_source(TOUCH % ", ".join(f"'{name}'" for name in MODULES), modules=MODULES)
    monkeypatch.setattr(interpreter, "_runtime", spied)
    boot = {"class": "workflow", "pid": "{w|r}", "seed": 1, "ctx": {}, "info": {}}
    session = Session(program, boot, interpreters=Interpreters())
    batch = session.step([protocol.start([])], protocol.Clock(now=0))
    assert batch.state == "running", batch.error
    tables, found = walks[-1]()
    walks.clear()
    assert found == b""
    assert tables > 60
    session.close()
