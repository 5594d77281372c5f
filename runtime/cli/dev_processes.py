"""The companions: programs that `evermoon dev` runs beside the workers: each `registry.entry` with `meta.dev.command`.

A companion prints one line of JSON, `{"env": {"NAME": "value"}}`, when it is ready; those variables become part of the
environment that placeholders see. It ends when its standard input is closed, so none outlives a host that was killed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.errors import invalid, unavailable
from runtime.registry import Registry, RegistryEntry

_READY_WITHIN = 30.0
_END_WITHIN = 4.0
_log = logging.getLogger("evermoon.dev")


@dataclass(frozen=True, slots=True)
class DevProcess:
    id: str
    command: tuple[str, ...]
    directory: Path


@dataclass(slots=True)
class _Running:
    process: Process
    output: asyncio.Task[None] | None = None


def companions_of(registry: Registry, state: Path) -> list[DevProcess]:
    """The companions a registry asks for, in its order. Raises `Error` INVALID.

    In a command `{python}` is this interpreter and `{state}` a directory the companion may keep things in.
    """
    found = []
    for entry in registry.of_kind(RegistryEntry):
        dev = entry.meta.get("dev")
        command = dev.get("command") if isinstance(dev, Mapping) else None
        if command is None:
            continue
        if not isinstance(command, Sequence) or isinstance(command, str) or not command:
            raise invalid(f"{entry.file}:{entry.line}: {entry.id}: meta.dev.command must be a list of words")
        words = tuple(_filled(str(word), state) for word in command)
        found.append(DevProcess(entry.id, words, entry.root))
    return found


def _filled(word: str, state: Path) -> str:
    return word.replace("{python}", sys.executable).replace("{state}", str(state.absolute()))


class DevProcesses:
    """A context manager that runs companions while it is entered. `env` is what they announced. It raises `Error` UNAVAILABLE when one does not get ready."""

    def __init__(self, companions: Sequence[DevProcess], environ: Mapping[str, str]) -> None:
        self._companions = companions
        self._environ = dict(environ)
        self._running: list[_Running] = []
        self.env: dict[str, str] = {}

    async def __aenter__(self) -> DevProcesses:
        try:
            for companion in self._companions:
                self.env.update(await self._start(companion))
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._stop()

    async def _start(self, companion: DevProcess) -> Mapping[str, str]:
        try:
            # A session of its own, so that Ctrl-C reaches it through us, in order.
            process = await asyncio.create_subprocess_exec(
                *companion.command,
                stdin=PIPE,
                stdout=PIPE,
                cwd=companion.directory,
                env={**self._environ, **self.env},
                start_new_session=True,
            )
        except OSError as error:
            raise unavailable(f"{companion.id}: cannot run {companion.command[0]}: {error.strerror}") from error
        assert process.stdout is not None
        running = _Running(process)
        self._running.append(running)
        env = await self._announcement(companion, process.stdout)
        running.output = asyncio.create_task(_follow(companion, process.stdout))
        return env

    async def _announcement(self, companion: DevProcess, output: asyncio.StreamReader) -> Mapping[str, str]:
        try:
            async with asyncio.timeout(_READY_WITHIN):
                line = await output.readline()
        except TimeoutError:
            raise unavailable(f"{companion.id} was not ready within {_READY_WITHIN:g} s") from None
        if not line:
            raise unavailable(f"{companion.id} ended before it was ready: {' '.join(companion.command)}")
        env = _env_of(line)
        if env is None:
            raise unavailable(f'{companion.id} must first print {{"env": {{…}}}} on a line, not {line[:200]!r}')
        return env

    async def _stop(self) -> None:
        running, self._running = self._running, []
        await asyncio.gather(*map(_end, reversed(running)))


def _env_of(line: bytes) -> dict[str, str] | None:
    try:
        said: Any = json.loads(line)
    except ValueError:
        return None
    env = said.get("env") if isinstance(said, dict) else None
    return {str(name): str(value) for name, value in env.items()} if isinstance(env, dict) else None


async def _follow(companion: DevProcess, output: asyncio.StreamReader) -> None:
    """Keeps the pipe empty; what a companion prints goes to the log."""
    while line := await output.readline():
        _log.info("%s: %s", companion.id, line.decode(errors="replace").rstrip())


async def _end(running: _Running) -> None:
    """Closes its input, then asks, then insists."""
    process, output = running.process, running.output
    if process.stdin is not None:
        process.stdin.close()
    for insist in (process.terminate, process.kill):
        try:
            async with asyncio.timeout(_END_WITHIN):
                await process.wait()
            break
        except TimeoutError:
            insist()
    await process.wait()
    if output is not None:
        output.cancel()
        await asyncio.gather(output, return_exceptions=True)
