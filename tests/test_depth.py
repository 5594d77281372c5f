"""What starts others that start others is stopped, whatever it starts them through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from runtime import Error
from runtime.app.runtime import Runtime
from runtime.errors import LIMIT_EXCEEDED
from runtime.temporal.dev_server import DevServer
from tests.definitions import with_worker, write

REGISTRY = with_worker("""
  - {name: processes, kind: process.host}
  - {name: child, kind: workflow.lua, source: file://child.lua, modules: [workflow], limits: {depth: 3}, meta: &runs {temporal: {workflow: {worker: worker}}}}
  - {name: again, kind: workflow.lua, source: file://again.lua, modules: [workflow, process], limits: {depth: 2}, meta: *runs}
  - {name: around, kind: workflow.lua, source: file://around.lua, modules: [funcs], meta: *runs}
  - {name: starts, kind: function.lua, source: file://starts.lua, modules: [process], limits: {depth: 2}, meta: {temporal: {activity: {worker: worker}}}}
  - {name: process, kind: process.lua, source: file://process.lua, modules: [process], limits: {depth: 3}, meta: {default_host: processes}}
  - {name: begins, kind: function.lua, source: file://begins.lua, modules: [process]}
  - {name: free, kind: workflow.lua, source: file://free.lua, modules: [workflow], meta: *runs}
""")
#: What each comes to: how many of its own kind it could start in a row, and the error of the last.
SCRIPTS = {
    "child": """
        local workflow = require("workflow")
        return function()
          local found, err = workflow.exec("app:child")
          if err then return { n = 0, kind = err:kind(), said = err:message(), at = err:stack() } end
          found.n = found.n + 1
          return found
        end
    """,
    "again": """
        local workflow = require("workflow")
        return function(times)
          if (times or 0) < 4 then return process.upgrade(nil, (times or 0) + 1) end
          local found, err = workflow.exec("app:again", 4)
          if err then return { n = 0, kind = err:kind() } end
          found.n = found.n + 1
          return found
        end
    """,
    "around": 'return function() return funcs.call("app:starts") end',
    "starts": """
        return function()
          local found, err = process.exec("app:around", "app:worker")
          if err then return { n = 0, kind = err:kind() } end
          found.n = found.n + 1
          return found
        end
    """,
    "process": """
        return function()
          local found, err = process.exec("app:process", "app:processes")
          if err then return { n = 0, kind = err:kind() } end
          found.n = found.n + 1
          return found
        end
    """,
    "begins": 'return function() return process.exec("app:process", "app:processes") end',
    "free": """
        local workflow = require("workflow")
        return function(n)
          if n == 0 then return "done" end
          return workflow.exec("app:free", n - 1)
        end
    """,
}


@pytest.fixture(scope="module")
async def runtime(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Runtime]:
    directory: Path = tmp_path_factory.mktemp("depth")
    for name, text in SCRIPTS.items():
        (directory / f"{name}.lua").write_text(text)
    write(directory, REGISTRY)
    async with Runtime.open(directory / "registry.yaml", temporal=temporal_server.address, environ={}) as runtime:
        yield runtime


@pytest.mark.parametrize(("entry", "started"), [("app:child", 3), ("app:again", 2), ("app:around", 2)])
async def test_runs_that_start_one_another_are_stopped(runtime: Runtime, entry: str, started: int) -> None:
    found: Any = await runtime.result(await runtime.spawn(entry))
    assert (found["n"], found["kind"]) == (started, LIMIT_EXCEEDED)


async def test_the_refusal_says_which_limit_and_where(runtime: Runtime) -> None:
    found: Any = await runtime.result(await runtime.spawn("app:child"))
    assert (
        "4 runs and processes would have started one another in a row, and limits.depth of app:child is 3"
        in found["said"]
    )
    assert "child.lua:4" in found["at"]


async def test_processes_that_start_one_another_are_stopped(runtime: Runtime) -> None:
    found: Any = await runtime.call("app:begins")
    assert (found["n"], found["kind"]) == (2, LIMIT_EXCEEDED)


async def test_fifty_in_a_row_are_started_and_no_more(runtime: Runtime) -> None:
    assert await runtime.result(await runtime.spawn("app:free", 50)) == "done"
    with pytest.raises(Error) as failed:
        await runtime.result(await runtime.spawn("app:free", 51))
    assert failed.value.kind == LIMIT_EXCEEDED
