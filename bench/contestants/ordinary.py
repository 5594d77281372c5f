"""Ordinary Lua as it is: the same file as the workflow's, in an interpreter of lupa that nobody has sealed."""

from __future__ import annotations

import time
from pathlib import Path

import lupa.lua54 as lupa

SCRIPT = Path(__file__).parent.parent / "entries" / "ordinary.lua"


def plain(item: str, count: int) -> float:
    """Seconds of processor time from an interpreter that has nothing to the end of `count` turns, as a run's first step has it."""
    source = SCRIPT.read_bytes()
    begun = time.thread_time()
    main = lupa.LuaRuntime(encoding=None).execute(source)
    main(item.encode(), count)
    return time.thread_time() - begun
