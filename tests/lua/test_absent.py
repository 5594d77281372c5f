"""Names that nothing has: what to do about them is said when a script is loaded, and when it fails."""

from __future__ import annotations

import pytest

from runtime.lua.absent import Absent, absent_in
from tests.support import fail, run

SCRIPT = """local saga = 1
local function main(order)
  if order then
    return run_compensations(order)
  end
  run_compensations()
end
local limit = limits.of
function helper() return later + 1 end
local t = {}
function t.go() return later end

local function run_compensations(order)
  return order
end
local limits, later = {
  1,
}, 2
for index = 1, 2 do print(index) end
return main
"""


def found(source: str) -> list[tuple[int, str]]:
    return [(use.line, use.text) for use in absent_in(source, "x.lua", ())]


def test_every_use_of_a_local_that_is_declared_below_is_named() -> None:
    assert sorted(found(SCRIPT)) == [
        (4, "`run_compensations` is a local declared at line 13; move it above `main`"),
        (6, "`run_compensations` is a local declared at line 13; move it above `main`"),
        (8, "`limits` is a local declared at line 16; move it above line 8"),
        (9, "`later` is a local declared at line 16; move it above `helper`"),
        (11, "`later` is a local declared at line 16; move it above `go`"),
    ]


@pytest.mark.parametrize(
    "source",
    [
        "local a = 1 local function f() return a end return f",
        "local f function g() return f() end f = g return g",
        "local function f() return f end return f",
        "function f() return count end count = 1 local count = 2 return f",
        "local function f() return index end for index = 1, 2 do f() end return f",
        "_G.helper = print local function f() return helper() end local helper = 1 return f",
    ],
)
def test_a_name_that_is_there_is_not_named(source: str) -> None:
    assert found(source) == []


def test_what_lua_has_elsewhere_is_named_with_what_to_use() -> None:
    source = "local f = io.open('x')\nos.execute('ls')\nlocal t = os.time()\nreturn unpack(f), debug"
    uses = absent_in(source, "x.lua", ())
    assert [(use.name, use.line, use.is_local) for use in uses] == [
        ("io", 1, False), ("os", 2, False), ("unpack", 4, False), ("debug", 4, False),
    ]  # fmt: skip
    assert uses[0].text.startswith("there is no io in a script: read and write files in a Python function")
    assert uses[2] == Absent("unpack", 4, "there is no unpack in a script: use table.unpack")


def test_one_s_own_is_not_taken_for_lua_s() -> None:
    assert found("io = { open = print } return io.open") == []
    assert found("local io = { open = print } return io.open") == []


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("io.open('x')", "script.lua:2: attempt to index a nil value (global 'io'): there is no io in a script"),
        (
            "os.execute('x')",
            "script.lua:2: attempt to call a nil value (field 'execute'): there is no os.execute in a script",
        ),
        ("later()\nlocal later = 1", "(global 'later'): `later` is a local declared at line 3; move it above line 2"),
    ],
)
def test_a_failure_says_what_to_use(body: str, text: str) -> None:
    assert text in fail(body).message


def test_a_caught_failure_says_it_too() -> None:
    assert "there is no io in a script" in run("return select(2, pcall(function() io.open('x') end))")
    assert (
        run("return select(2, pcall(function() local t = {} t.x() end))")
        == "script.lua:2: attempt to call a nil value (field 'x')"
    )
