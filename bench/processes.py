"""Processes on a host: how soon many are there, and what one that waits costs. Memory is that of the process, not Lua's own count."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import lupa.lua54 as lupa
import yaml

from bench.measure import Row
from runtime.lua.program import Programs
from runtime.process.host import ProcessHost
from runtime.process.lua_run import LuaRun
from runtime.process.ports import StartRequest
from runtime.registry import Registry

#: As many as a host takes by default.
IDLE = 10_000
_WAITS = "return function() local inbox = process.inbox() while inbox:receive() do end end"
_STATM = Path("/proc/self/statm")
_PAGE = 4096


def rows() -> list[Row]:
    """Each in a Python of its own, whose memory nothing else has touched."""
    seconds, per_process = _measured("idle")
    interpreter_seconds, per_interpreter = _measured("empty")
    return [
        Row(f"a process, one of {IDLE:,}, from spawn to waiting", seconds, "an empty lupa interpreter", interpreter_seconds),
        Row(f"memory of one of {IDLE:,} that wait", per_process, "an empty lupa interpreter", per_interpreter, unit="KiB"),
    ]  # fmt: skip


def _measured(what: str) -> tuple[float, float]:
    """Seconds, and KiB, for one."""
    answer = subprocess.run([sys.executable, "-m", "bench.processes", what], check=True, capture_output=True, text=True)
    seconds, size = answer.stdout.split()
    return float(seconds), float(size)


async def _idle(directory: Path) -> tuple[float, float]:
    (directory / "waits.lua").write_text(_WAITS)
    entries = [
        {"name": "host", "kind": "process.host"},
        {"name": "waits", "kind": "process.lua", "source": "file://waits.lua"},
    ]
    (directory / "registry.yaml").write_text(yaml.safe_dump({"namespace": "bench", "entries": entries}))
    registry = Registry.load(directory / "registry.yaml", environ={})
    host = ProcessHost(registry, Programs(registry))
    request = StartRequest("bench:waits", worker="bench:host")
    await _settled([host.spawn(request)])
    before, begun = _resident(), time.perf_counter()
    await _settled([host.spawn(request) for _ in range(IDLE - 1)])
    measured = (time.perf_counter() - begun) / IDLE, (_resident() - before) / IDLE
    await host.close(60)
    return measured


async def _settled(runs: list[object]) -> None:
    for run in runs:
        assert isinstance(run, LuaRun)
        await run.settled.wait()


def _empty() -> tuple[float, float]:
    kept = [_interpreter()]
    before, begun = _resident(), time.perf_counter()
    kept += [_interpreter() for _ in range(1000)]
    return (time.perf_counter() - begun) / 1000, (_resident() - before) / 1000


def _interpreter() -> object:
    return lupa.LuaRuntime(encoding=None, register_eval=False, register_builtins=False)


def _resident() -> float:
    """KiB."""
    return int(_STATM.read_text().split()[1]) * _PAGE / 1024


def main(what: str) -> None:
    if what == "empty":
        print(*_empty())
        return
    with tempfile.TemporaryDirectory() as directory:
        print(*asyncio.run(_idle(Path(directory))))


if __name__ == "__main__":
    main(sys.argv[1])
