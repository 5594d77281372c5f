"""What a source may cost the compiler is known before it compiles it: a file's as well as that of `load`."""

from __future__ import annotations

import pytest

from runtime.errors import INVALID, Error
from runtime.lua.interpreter import compile_lua
from runtime.lua.kernel import current_kernel
from runtime.modules.weighing import MAX_SOURCE, MAX_WEIGHT, weight
from tests.support import run

_NAMES = ", ".join(f"v{i}" for i in range(190))
HEAVY = {
    "names": f"local function f({_NAMES}) " * 150 + "x=x " * 100_000 + "end " * 150,
    "names behind text that hides quotes": f"local s = 'a\\z\n\"b'; local function f({_NAMES}) " * 150
    + "x=x " * 100_000
    + "end " * 150,
    "names in the condition of a loop": f"local function f() repeat local {_NAMES} until x " * 150
    + "x=x " * 100_000
    + "end " * 150,
    "variables of loops": "local function f() "
    + ("for k, v, w in x do " * 60 + "local function f() ") * 2 * 12
    + "x=x " * 300_000,
    "labels": "".join(f"::l{i}:: " for i in range(20_000)) + "goto l1 " * 30_000,
    "breaks": "while x do " + "break " * 32_000 + "end",
    "conditions": "return a" + " or a" * 100_000,
    "conditions around functions": "return a" + " or function() end" * 60_000,
    "branches": "if a then" + " elseif a then" * 60_000 + " end",
    "bytes": "-" * (MAX_SOURCE + 1),
}
LIGHT = {
    "data": "return {" + "".join(f"{{ name = 'x{i}', tags = {{ 'a', f({i}) }} }},\n" for i in range(15_000)) + "}",
    "functions": "".join(f"local function f{i}(a, b) return a + b + {i} end\n" for i in range(150)),
    "prose": "return [[" + "and so on, or function of a goto, break " * 20_000 + "]]",
    "rules": "".join(
        f"function r{i}(a, b) if a == {i} and b or a < 3 then return b elseif b then return a end end\n"
        for i in range(5000)
    ),
}


@pytest.mark.parametrize("what", HEAVY)
def test_a_file_that_would_keep_the_compiler_is_refused(what: str) -> None:
    with pytest.raises(Error, match=r"script\.lua (would take the compiler too long|is longer than)") as failure:
        compile_lua(HEAVY[what].encode(), b"@script.lua")
    assert failure.value.kind == INVALID


@pytest.mark.parametrize("what", LIGHT)
def test_a_large_file_that_is_compiled_soon_is_not(what: str) -> None:
    assert weight(LIGHT[what].encode()) < MAX_WEIGHT
    assert compile_lua(LIGHT[what].encode(), b"@script.lua")[:4] == b"\x1bLua"


def test_load_refuses_what_would_keep_the_compiler() -> None:
    script = "local f, message = load('return a' .. (' or a'):rep(40000)) return { f == nil, message }"
    value, message = run(script, instructions=10**9)
    assert value is True
    assert message == "the chunk would take the compiler too long: divide it"


def test_the_files_of_the_kernel_are_light() -> None:
    kernel = current_kernel()
    heaviest = max(weight(source.encode()) for source in kernel._sources.values())
    assert heaviest < MAX_WEIGHT // 100
