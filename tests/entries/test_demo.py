"""`make demo`, run as a new user does: what it reports, and that nothing of it is left when it ends, however it ends."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import uuid
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator
from pathlib import Path

import pytest

from entries.demo.worker import ROOT
from tests.entries.shop import names_in
from tests.waiting import eventually

STEPS = ["create_order", "reserve_stock", "create_payment"]
MARK = "EVERMOON_TEST_DEMO"

linux = pytest.mark.skipif(sys.platform != "linux", reason="finds processes through /proc")


async def start(mark: str, temporary: Path, module: str = "entries.demo", **environ: str) -> Process:
    """A demo; `mark` is in its environment and that of every process it starts, `temporary` takes what a kill leaves."""
    more = [f"{name}={value}" for name, value in environ.items()]
    command = ["env", f"{MARK}={mark}", f"TMPDIR={temporary}", *more, sys.executable, "-m", module]
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE, stderr=PIPE)


def marked(mark: str) -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                yield int(process.name)
        except OSError:
            continue  # not ours, or gone


async def none_left(mark: str) -> None:
    """Waits until no process of the demo runs."""
    await eventually(lambda: any(marked(mark)), lambda some: not some, every=0.1)


async def until(process: Process, text: str) -> None:
    assert process.stdout is not None
    assert process.stderr is not None
    async for line in process.stdout:
        if text in line.decode():
            return
    raise AssertionError(f"the demo never said {text!r}, but: {(await process.stderr.read()).decode()}")


@linux
async def test_the_demo_keeps_its_promises_and_leaves_nothing_running(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    process = await start(mark, tmp_path)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert list(marked(mark)) == []
    assert names_in(tmp_path) == []
    last = out.decode().splitlines()[-1]
    assert "://" not in last  # nothing answers any more
    report = json.loads(last)
    assert set(report) == {"completed", "out_of_stock", "compensated", "approved", "crash"}
    for name in ("completed", "approved"):
        assert (report[name]["success"], report[name]["status"]) == (True, "completed")
        assert set(report[name]) == {"success", "status", "order_id", "payment_id", "workflow_id"}
    assert (report["out_of_stock"]["step"], report["out_of_stock"]["attempts"]) == ("reserve_stock", 3)
    assert report["out_of_stock"]["compensations"] == report["out_of_stock"]["steps"] == STEPS[:1]
    assert (report["compensated"]["steps"], report["compensated"]["compensations"]) == (STEPS, STEPS[::-1])
    assert report["crash"]["result"]["success"]
    assert (report["crash"]["payments"], report["crash"]["order_creates"]) == (1, 1)


@linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_nothing_outlives_a_demo_that_is_stopped(number: signal.Signals, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    process = await start(mark, tmp_path)
    await until(process, "waits until somebody approves it")
    assert len(list(marked(mark))) > 5
    process.send_signal(number)
    await process.communicate()
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    await none_left(mark)
