"""TypeScript's SDK, from npm: installed when it is first measured, into `.evermoon/bench-node`; skipped where there is no Node."""

from __future__ import annotations

import asyncio
import fcntl
import json
import shutil
from pathlib import Path

from bench.contestants.process import ROOT

_SOURCES = Path(__file__).parent / "node"
_FILES = ("package.json", "worker.mjs", "workflows.mjs")
#: Not in the repository: gone with `make clean`.
CACHE = ROOT / ".evermoon" / "bench-node"
_INSTALL = 600.0
_OLDEST = 20


async def available() -> str | None:
    """None when it can be measured, installed if it was not; else why not, for people."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return "there is no Node here"
    said = await _output(node, "--version")
    if int(said.lstrip("v").partition(".")[0] or 0) < _OLDEST:
        return f"Node {said} is older than the SDK wants"
    return await _install(npm)


async def _install(npm: str) -> str | None:
    """One at a time: the tests of several processes use it, too."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        return await _installed(npm)


async def _installed(npm: str) -> str | None:
    fresh = all(
        (CACHE / name).exists() and (CACHE / name).read_bytes() == (_SOURCES / name).read_bytes() for name in _FILES
    )
    if fresh and version() is not None:
        return None
    for name in _FILES:
        shutil.copyfile(_SOURCES / name, CACHE / name)
    child = await asyncio.create_subprocess_exec(
        npm, "install", "--no-audit", "--no-fund", "--loglevel=error", cwd=CACHE, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_INSTALL):
            output, _ = await child.communicate()
    except TimeoutError:
        child.kill()
        await child.wait()
        return "npm install takes too long"
    return None if child.returncode == 0 else f"npm install failed: {output.decode(errors='replace').strip()[:300]}"


def version() -> str | None:
    """Of the installed SDK."""
    package = CACHE / "node_modules" / "@temporalio" / "worker" / "package.json"
    return str(json.loads(package.read_text())["version"]) if package.exists() else None


def command(address: str, queue: str) -> list[str]:
    return ["node", "--expose-gc", str(CACHE / "worker.mjs"), address, queue]


async def _output(*command: str) -> str:
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await child.communicate()
    return output.decode().strip()
