"""A worker as a process of its own, which can be killed and started again."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT = 60.0
STOP_TIMEOUT = 20.0


class Worker:
    """`evermoon serve` on a registry or a part of it, with its `http.service` on a free port. It ends when this process does."""

    def __init__(
        self,
        environ: Mapping[str, str],
        log: Path,
        registry: str = "config/registry.yaml",
        http: str = "app:http",
        only: Sequence[str] = (),
    ) -> None:
        self.url = ""
        self._registry = ROOT / registry
        self._http = http
        self._only = [f"--only={name}" for name in only]
        self._environ = {**os.environ, **environ}
        self._log = log
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        return self._running().pid

    async def start(self) -> None:
        """Returns when it serves. Raises RuntimeError when it does not; its log says why."""
        address = f"{self._http}:addr=127.0.0.1:0"
        command = ["serve", "--tied", "--json", "--registry", str(self._registry), "-o", address, *self._only]
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "runtime.cli.main", *command),
                cwd=ROOT,
                env=self._environ,
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the demo, which then stops its parts in order
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(START_TIMEOUT):
            line = await self._process.stdout.readline()
        if not line:
            code = await self._process.wait()
            raise RuntimeError(f"the worker did not start (exit code {code}); its last words:")
        self.url = json.loads(line)["http"].get(self._http, "")

    async def kill(self) -> None:
        """SIGKILL: it gets no chance to tidy up."""
        process = self._running()
        process.kill()
        await process.wait()

    async def stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def _running(self) -> Process:
        assert self._process is not None, "the worker was not started"
        return self._process
