"""The supervisor: four answering processes, none of which outlives it, and files that outlive them all."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from entries.services.supervisor import ROOT, services
from tests.entries.shop import names_in
from tests.entries.test_services import order
from tests.waiting import eventually

Process = asyncio.subprocess.Process


async def start(*arguments: str) -> tuple[Process, dict[str, str]]:
    """A supervisor as `evermoon dev` starts it, and where its services are."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "entries.services.supervisor", *arguments),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    env: dict[str, str] = json.loads(await process.stdout.readline())["env"]
    return process, env


async def answers(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as client, client.get(f"{url}/healthz") as response:
            return response.status == 200
    except aiohttp.ClientConnectionError:
        return False


async def gone(urls: list[str]) -> None:
    """Waits until nothing answers at any of the URLs."""

    async def any_answers() -> bool:
        return any([await answers(url) for url in urls])

    await eventually(any_answers, lambda some: not some, every=0.05)


def first_child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def close_stdin(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.close()


def kill(number: signal.Signals) -> Callable[[Process], None]:
    return lambda process: os.kill(process.pid, number)


@pytest.mark.parametrize(
    ("end", "code"),
    [
        pytest.param(close_stdin, 0, id="standard input ends"),
        pytest.param(kill(signal.SIGTERM), 0, id="SIGTERM"),
        pytest.param(kill(signal.SIGINT), 0, id="Ctrl-C"),
        pytest.param(kill(signal.SIGKILL), -signal.SIGKILL, id="SIGKILL"),
    ],
)
async def test_the_services_end_with_the_supervisor(end: Callable[[Process], None], code: int, tmp_path: Path) -> None:
    process, env = await start("--state", str(tmp_path))
    assert sorted(env) == ["INVENTORY_URL", "NOTIFICATION_URL", "ORDER_URL", "PAYMENT_URL"]
    assert all([await answers(url) for url in env.values()])
    end(process)
    assert await process.wait() == code
    await gone(list(env.values()))


@pytest.mark.skipif(sys.platform != "linux", reason="finds the child through /proc")
async def test_a_service_that_dies_ends_the_others_and_is_named(tmp_path: Path) -> None:
    process, env = await start("--state", str(tmp_path / "state"))
    assert process.stderr is not None
    os.kill(first_child(process.pid), signal.SIGKILL)
    assert await process.wait() == 1
    assert b"order ended by itself" in await process.stderr.read()
    await gone(list(env.values()))


async def test_answers_are_kept_across_a_restart(tmp_path: Path) -> None:
    answered: list[Any] = []
    for _ in range(2):
        async with services(tmp_path) as running, aiohttp.ClientSession() as client:
            headers = {"X-Idempotency-Key": "k"}
            url = running["order"].url
            async with client.post(f"{url}/orders", json=order("kept"), headers=headers) as response:
                answered.append((await response.json(), response.headers.get("Idempotency-Replayed")))
    assert [repeated for _, repeated in answered] == [None, "true"]
    assert answered[0][0] == answered[1][0]


async def test_without_a_state_directory_the_files_are_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    process, _ = await start()
    assert len(names_in(tmp_path)) == 1
    close_stdin(process)
    assert await process.wait() == 0
    assert names_in(tmp_path) == []
