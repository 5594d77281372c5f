"""Where attacks are run besides the virtual host: everywhere a host runs scripts of a registry."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp

from runtime.contracts import Started, StartRequest
from runtime.errors import LIMIT_EXCEEDED, Error
from runtime.http import Backend, HttpOptions, HttpServer, http_checks
from runtime.lua.program import Programs
from runtime.payload import Payload
from runtime.process.host import ProcessHost
from runtime.registry import Registry
from tests.definitions import write_entries
from tests.http.serving import NO_WORKFLOWS
from tests.security.corpus import MODULES, Attack
from tests.temporal.stage import Files, Stage, staged

CANARY = """return function()
  local t = {}
  for k in pairs({ b = 1, a = 2 }) do t[#t + 1] = k end
  return table.concat(t) .. string.upper("x")
end
"""
WELL = "abX"
#: What spends a budget spends part of the usual one here; each attack as a function spends all of it.
LIGHT, LIGHT_MEMORY = 2_000_000, 16 * 1024 * 1024
#: Attacks under way at a time on Temporal.
_AT_ONCE = 4
#: They end otherwise than by a limit, but after some tenths of a second: where others keep the machine busy a workflow task may
#: not be long enough for them.
_SLOW = frozenset({"commands_without_end", "json_schema_exponential", "log_line_huge", "time_layout_endless"})
#: How such a task fails.
OUT_OF_TIME = Error(LIMIT_EXCEEDED, "the workflow task failed", details={"limit": "time"})

Answer = tuple[Any, Error | None]


def light(attack: Attack) -> Attack:
    if attack.how in ("budget", "limit"):
        return replace(attack, instructions=min(attack.instructions, LIGHT))
    if attack.how == "memory":
        return replace(attack, memory=min(attack.memory, LIGHT_MEMORY))
    return attack


def _limits(attack: Attack) -> dict[str, int]:
    return {"memory": attack.memory, "instructions": attack.instructions}


async def _answer(value: Awaitable[Payload]) -> Answer:
    try:
        return (await value).value(), None
    except Error as error:
        return None, error


# On a process host ----------------------------------------------------------------------------------------------------------


@dataclass
class Host:
    """Attacks as functions, as functions that another calls, as HTTP handlers and as processes, of one host."""

    processes: ProcessHost
    url: str
    client: aiohttp.ClientSession

    async def function(self, name: str) -> Answer:
        return await _answer(self.processes.call(f"attack:{name}", []))

    async def called(self, name: str) -> Answer:
        return await _answer(self.processes.call("attack:calls", [Payload.of(f"attack:light_{name}")]))

    async def process(self, name: str) -> Answer:
        pid = self.processes.spawn(StartRequest(f"attack:process_{name}", worker="attack:processes")).pid
        return await _answer(self.processes.result(pid))

    async def handler(self, name: str) -> Answer:
        """The answer over a socket, taken for what it says."""
        async with self.client.get(f"{self.url}/{name}") as response:
            body = await response.read()
            if response.content_type == "application/problem+json":
                told = json.loads(body)
                stack = "\n".join(told.get("stack", ()))
                return None, Error(told["kind"], told["detail"], details=told["details"], stack=stack)
            assert response.status in (200, 204), response.status
            return (json.loads(body) if body else None), None


PLACES: dict[str, Callable[[Host, str], Awaitable[Answer]]] = {
    "function": Host.function,
    "called": Host.called,
    "handler": Host.handler,
    "process": Host.process,
}


@asynccontextmanager
async def host(folder: Path, attacks: Sequence[Attack]) -> AsyncIterator[Host]:
    entries: list[dict[str, Any]] = [
        {"name": "server", "kind": "http.service", "addr": "127.0.0.1:0"},
        {"name": "router", "kind": "http.router", "server": "server", "prefix": "/"},
        {"name": "processes", "kind": "process.host"},
        {"name": "calls", "kind": "function.lua", "source": "file://calls.lua", "modules": ["funcs"]},
    ]
    (folder / "calls.lua").write_text("return function(id) return funcs.call(id) end")

    def script(name: str, source: str, full: dict[str, Any], lighter: dict[str, Any]) -> None:
        (folder / f"{name}.lua").write_text(source)
        shared = {"source": f"file://{name}.lua", "modules": list(MODULES)}
        entries.extend(
            [
                {"name": name, "kind": "function.lua", **shared, **full},
                {"name": f"light_{name}", "kind": "function.lua", **shared, **lighter},
                {"name": f"process_{name}", "kind": "process.lua", **shared, **lighter},
                {"name": f"at_{name}", "kind": "http.endpoint", "router": "router", "method": "GET", "path": f"/{name}",
                 "func": f"light_{name}"},
            ]
        )  # fmt: skip

    script("canary", CANARY, {}, {})
    for attack in attacks:
        script(attack.name, attack.source, {"limits": _limits(attack)}, {"limits": _limits(light(attack))})
    write_entries(folder, entries, "attack")
    registry = Registry.load(folder, environ={}, checks=[http_checks])
    made = ProcessHost(registry, Programs(registry), log=lambda *_: None)
    server = HttpServer(Backend(registry, made, NO_WORKFLOWS), HttpOptions(grace=1))
    await server.start()
    try:
        async with aiohttp.ClientSession() as client:
            yield Host(made, server.urls["attack:server"], client)
    finally:
        await server.stop()
        await made.close(0)


# On Temporal ----------------------------------------------------------------------------------------------------------------


async def on_temporal(
    folder: Path, address: str, workflows: Sequence[Attack], activities: Sequence[Attack], **options: int
) -> dict[tuple[str, str], Answer]:
    """How each attack ended, by place and name. After each a canary has run on the same worker, and answered as it should.

    `options` are those of the worker.
    """
    files = Files(folder).worker(shadow=False, **options)
    files.workflow("canary", CANARY).workflow("calls", "return function(id) return funcs.call(id) end")
    for attack in workflows:
        files.workflow(attack.name, attack.source, limits=_limits(light(attack)), modules=list(MODULES))
    meta = {
        "temporal": {"activity": {"worker": "worker"}},
        "options": {"activity.retry_policy": {"maximum_attempts": 1}},
    }
    for attack in activities:
        (folder / f"{attack.name}.lua").write_text(attack.source)
        files.entry(
            name=f"activity_{attack.name}", kind="function.lua", source=f"file://{attack.name}.lua", modules=list(MODULES),
            limits=_limits(light(attack)), meta=meta,
        )  # fmt: skip
    turn = asyncio.Semaphore(_AT_ONCE)

    async def ended(stage: Stage, spends: bool, name: str, *args: object) -> Answer:
        async with turn:
            answer = await _workflow(stage, await stage.start(name, *args), spends)
            assert await stage.run("canary") == WELL, name
            return answer

    async with staged(files, address) as stage:
        keys = [("workflow", attack.name) for attack in workflows] + [
            ("activity", attack.name) for attack in activities
        ]
        answers = await asyncio.gather(
            *(ended(stage, attack.spends or attack.name in _SLOW, attack.name) for attack in workflows),
            *(ended(stage, False, "calls", f"t:activity_{attack.name}") for attack in activities),
        )
        return dict(zip(keys, answers, strict=True))


async def _workflow(stage: Stage, run: Started, spends: bool) -> Answer:
    """Its end. Where its time is spent before its budget, that is a failed task, which would be tried for ever."""
    closed = asyncio.ensure_future(_answer(stage.runs.result(run.id)))
    try:
        while True:
            done, _ = await asyncio.wait({closed}, timeout=1)
            if done:
                return closed.result()
            if spends and "WORKFLOW_TASK_FAILED" in await stage.event_types(run):
                await stage.runs.terminate(run.id)
                return None, OUT_OF_TIME
    finally:
        closed.cancel()
