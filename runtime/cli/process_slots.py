"""The processes of `serve --processes`: each has a slot, and a process that dies is replaced in its slot."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from typing import Any

from runtime.backoff import Backoff
from runtime.errors import unavailable

_log = logging.getLogger("evermoon")
#: Seconds: the longest pause before a process is replaced, and a life after which the pauses begin anew.
_LONGEST_DELAY, _LASTED = 30.0, 60.0


class ProcessSlot:
    """A slot that keeps one `evermoon` process running, from `run` until that is cancelled. `told` is the line of JSON that the process began with."""

    def __init__(self, words: Sequence[str], environ: Mapping[str, str]) -> None:
        self._command = [sys.executable, "-m", "runtime.cli.main", *words, "--tied", "--json"]
        self._environ = dict(environ)
        self._process: Process | None = None
        self._failure = ""
        self.ready = asyncio.Event()
        self.told: dict[str, Any] = {}

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def run(self) -> None:
        """Raises `Error` UNAVAILABLE when the first process ends before it is ready: no other would fare better."""
        backoff = Backoff(longest=_LONGEST_DELAY)
        try:
            while True:
                began = time.monotonic()
                status = await self._once()
                if not self.ready.is_set():
                    text = f"a process ended with status {status} before it was ready"
                    raise unavailable(f"{text}: {self._failure}" if self._failure else text)
                if time.monotonic() - began > _LASTED:
                    backoff.reset()
                delay = backoff.failed()
                _log.warning("a process ended with status %d; another takes its place in %g s", status, delay)
                await asyncio.sleep(delay)
        finally:
            await self._stop()

    async def _once(self) -> int:
        """Its input is held open: a process ends when its parent does, however that ended."""
        process = self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, stdout=PIPE, start_new_session=True, env=self._environ
        )
        assert process.stdout is not None
        line = await process.stdout.readline()
        told = json.loads(line) if line else {}
        if "error" in told:
            self._failure = str(told["error"].get("message"))
            _log.error("%s", self._failure)
        elif told:
            self.told = told
            self.ready.set()
        while await process.stdout.read(65536):
            pass  # what functions print is nobody's value
        return await process.wait()

    async def _stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            await self._process.wait()
