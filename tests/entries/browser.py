"""A page in headless Chromium, driven over its DevTools protocol."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import time
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
)
_PATIENCE = 60.0


def chromium() -> str | None:
    """Where it is on this machine."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


class NoBrowser(Exception):
    """What is installed does not run here: a stub, or a browser without what it needs."""


class Page:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    async def tell(self, method: str, **params: Any) -> Any:
        """A command of the protocol; what it answers."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            answer = await self._socket.receive_json(timeout=_PATIENCE)
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    async def do(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = await self.tell("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, script: str) -> None:
        """Returns when the expression is true."""
        deadline = time.monotonic() + _PATIENCE
        while not await self.do(f"Boolean({script})"):
            assert time.monotonic() < deadline, (
                f"it never became true: {script}\n{await self.do('document.body?.innerText')}"
            )
            await asyncio.sleep(0.1)


@asynccontextmanager
async def browser(program: str, profile: Path, url: str, *, size: str = "1200,900") -> AsyncIterator[Page]:
    """`url` in a browser of its own, whose profile is the directory `profile`; gone when it is left. Raises `NoBrowser`."""
    process = await asyncio.create_subprocess_exec(
        program, *_FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}", f"--window-size={size}", url,
        stdout=DEVNULL, stderr=DEVNULL,
    )  # fmt: skip
    try:
        async with aiohttp.ClientSession() as client:
            address = await _socket(client, profile, process)
            async with client.ws_connect(address, max_msg_size=0) as socket:
                yield Page(socket)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _socket(client: aiohttp.ClientSession, profile: Path, process: asyncio.subprocess.Process) -> str:
    """Where the page's DevTools listen, once the browser says so."""
    said = profile / "DevToolsActivePort"
    deadline = time.monotonic() + _PATIENCE
    while True:
        if process.returncode is not None:
            raise NoBrowser(f"it ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise NoBrowser("it never said where it listens")
        if said.exists() and (lines := said.read_text().splitlines()):
            async with client.get(f"http://127.0.0.1:{lines[0]}/json/list") as answer:
                targets = json.loads(await answer.text())
            for target in targets:
                if target["type"] == "page":
                    return str(target["webSocketDebuggerUrl"])
        await asyncio.sleep(0.1)
