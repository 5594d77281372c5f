"""Notes on scripts: the names that they take for known are those a script finds."""

from __future__ import annotations

from runtime.lua.compiling import GLOBALS
from runtime.modules.catalogue import ALWAYS
from tests.support import run


def test_the_known_globals_are_those_of_the_sandbox() -> None:
    body = "local names = {} for name in pairs(_G) do names[#names + 1] = name end return names"
    assert set(run(body, modules=())) == GLOBALS | set(ALWAYS)
