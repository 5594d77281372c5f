"""A process host over a registry written for one test."""

from __future__ import annotations

import textwrap
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from runtime.contracts import StartRequest, Trigger
from runtime.lua.program import Programs
from runtime.payload import Payload
from runtime.principal import Caller
from runtime.process.host import ProcessHost
from runtime.process.lua_run import LuaRun
from runtime.registry import Registry
from tests.definitions import write_entries
from tests.waiting import eventually

MODULES = [
    "funcs",
    "time",
    "json",
    "errors",
    "process",
    "channel",
    "ctx",
    "logger",
    "activity",
    "http",
    "http_client",
    "env",
]


class Lines:
    """What scripts logged."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, Mapping[str, Any]]] = []

    def __call__(self, level: str, message: str, about: Mapping[str, Any], /) -> None:
        self.seen.append((level, message, about))


class Recorded:
    """An activity's surroundings."""

    info: Mapping[str, Any] = {"attempt": 2}
    idempotency_key = "w/r/1"

    def __init__(self) -> None:
        self.beats: list[Any] = []

    def heartbeat(self, details: Any) -> None:
        self.beats.append(details)

    def is_canceled(self) -> bool:
        return False


def function(name: str, **fields: Any) -> dict[str, Any]:
    """A `function.lua` entry whose source is `<name>.lua`."""
    return {"name": name, "kind": "function.lua", "source": f"file://{name}.lua", "modules": MODULES, **fields}


def process(name: str, **fields: Any) -> dict[str, Any]:
    """A `process.lua` entry whose source is `<name>.lua`."""
    return {"name": name, "kind": "process.lua", "source": f"file://{name}.lua", "modules": MODULES, **fields}


PROCESSES = {"name": "processes", "kind": "process.host"}


def load(
    directory: Path, sources: Mapping[str, str], entries: list[dict[str, Any]], environ: Mapping[str, str] | None = None
) -> Registry:
    """Writes `sources` and a registry of `entries` in namespace `app`; a Lua source without an entry gets a plain one."""
    for name, text in sources.items():
        (directory / name).write_text(textwrap.dedent(text))
    named = {entry["name"] for entry in entries}
    plain = [function(Path(name).stem) for name in sources if name.endswith(".lua") and Path(name).stem not in named]
    return Registry.load(write_entries(directory, [*entries, *plain]), environ=environ or {})


@asynccontextmanager
async def host(registry: Registry, **options: Any) -> AsyncIterator[ProcessHost]:
    made = ProcessHost(registry, Programs(registry), **options)
    try:
        yield made
    finally:
        await made.close(0)


async def pids(target: ProcessHost, count: int = 1) -> list[str]:
    """The PIDs of the executions under way, once there are so many, oldest first."""
    await eventually(lambda: len(target.running) >= count)
    return target.running


def by(options: dict[str, Any]) -> dict[str, Any]:
    """Options of a call or spawn, with what they say of the caller as its `caller`."""
    said = {name: options.pop(name) for name in ("context", "principal", "sender") if name in options}
    return {**options, "caller": Caller(**said)} if said else options


def called(options: dict[str, Any]) -> dict[str, Any]:
    """As `by`, with what a function is called by as its `trigger`."""
    said = {name: options.pop(name) for name in ("activity", "request", "response", "message") if name in options}
    return by({**options, "trigger": Trigger(**said)} if said else options)


async def call(target: ProcessHost, name: str, *args: Any, **options: Any) -> Any:
    """Calls `app:<name>` with Python values and gives the result as one."""
    payload = await target.call(f"app:{name}", [Payload.of(arg) for arg in args], **called(options))
    return payload.value()


def spawn(target: ProcessHost, name: str, *args: Any, **options: Any) -> str:
    """Starts the process `app:<name>` on `app:processes`; its PID."""
    request = StartRequest(f"app:{name}", [Payload.of(arg) for arg in args], worker="app:processes", **by(options))
    return target.spawn(request).pid


def has_settled(target: ProcessHost, pid: str) -> bool:
    """Whether its main waits, or has ended."""
    run = target.find(pid)
    return isinstance(run, LuaRun) and run.settled.is_set()


async def result(target: ProcessHost, pid: str) -> Any:
    return (await target.result(pid)).value()
