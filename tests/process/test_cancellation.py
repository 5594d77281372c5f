"""What is asked to end: a process that has not begun, and a function whose turn is somebody else's."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from runtime.errors import CANCELED, Error
from tests.process.support import (
    PROCESSES,
    Lines,
    call,
    function,
    has_settled,
    host,
    load,
    pids,
    process,
    result,
    spawn,
)
from tests.waiting import eventually


async def test_a_process_that_has_not_begun_is_asked_to_end_like_one_that_has(tmp_path: Path) -> None:
    source = """
        return function()
          local event = process.events():receive()
          return { event.kind, event.from, event.reason }
        end
    """
    async with host(load(tmp_path, {"tidy.lua": source}, [PROCESSES, process("tidy")])) as h:
        pid = spawn(h, "tidy")
        h.cancel(pid, "enough", "{app:boss@n|1}")
        assert await result(h, pid) == ["pid.cancel", "{app:boss@n|1}", "enough"]


async def test_a_function_that_is_cancelled_cleans_up_though_another_has_its_turn(tmp_path: Path) -> None:
    """There is one turn: the first hands it on while it waits for a function, and the second keeps it for ever."""
    first = """
        return function(wait)
          if not wait then process.inbox():receive() end
          local _, err = funcs.call("app:never")
          logger:info("cleaning", { kind = err:kind() })
          return nil, err
        end
    """
    sources = {"first.lua": first, "never.lua": "return function() process.inbox():receive() end"}
    lines = Lines()
    async with host(load(tmp_path, sources, [function("first", pool={"size": 1})]), log=lines, grace=3600.0) as h:
        running = asyncio.create_task(call(h, "first", True))
        await pids(h, 2)
        second = asyncio.create_task(call(h, "first", False))
        pid = (await pids(h, 3))[-1]
        await eventually(lambda: has_settled(h, pid))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert [(message, about["fields"]) for _, message, about in lines.seen] == [("cleaning", {"kind": CANCELED})]
        h.terminate(pid)
        with pytest.raises(Error):
            await second
