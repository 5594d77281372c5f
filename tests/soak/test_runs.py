"""Run after run through one worker: it holds on to nothing of those that have ended."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from runtime.contracts import Started
from runtime.errors import UNAVAILABLE, Error
from runtime.temporal.dev_server import DevServer
from tests.soak.load import RUNS, WHOLE
from tests.soak.sample import MEASURABLE, Sample, fifths
from tests.soak.served import served
from tests.temporal.stage import Files, Stage, staged
from tests.waiting import eventually

AT_ONCE = 50
#: Fewer than run at once, so that runs are evicted and replayed all the time.
CACHED = 40
SAMPLES = 50
MIB = 1024 * 1024

MAIN = """return { main = function(n)
  local inbox = process.inbox()
  local sum = assert(funcs.call('t:add', n, 1))
  if n % 10 == 0 then sum = assert(workflow.exec('t:child', sum)) end
  return sum + inbox:receive():payload():data()
end }"""


async def _sent(stage: Stage, run: Started) -> bool:
    """Whether the server took a message; a second one changes nothing."""
    try:
        await stage.send(run, "more", 1000)
    except Error as error:
        if error.kind != UNAVAILABLE:
            raise
        return False
    return True


async def _driven(stage: Stage, n: int) -> None:
    run = await stage.start("main", n)
    await eventually(lambda: _sent(stage, run), every=0.5)
    assert await stage.result(run) == n + 1001


@pytest.mark.skipif(not MEASURABLE, reason="memory is read from /proc")
@pytest.mark.timeout(600 if RUNS < WHOLE else 4 * 3600)
async def test_a_worker_grows_by_nothing(tmp_path: Path, temporal_server: DevServer) -> None:
    files = Files(tmp_path)
    files.activity("add", "return { main = function(a, b) return a + b end }")
    files.workflow("child", "return { main = function(n) return assert(funcs.call('t:add', n, 0)) end }")
    files.workflow("main", MAIN).worker(max_cached_workflows=CACHED)
    samples: list[Sample] = []
    async with (
        staged(files, temporal_server.address, serving=False) as stage,
        served(tmp_path, temporal_server.address) as worker,
    ):
        numbers = iter(range(RUNS))
        done = 0

        async def drive() -> None:
            nonlocal done
            for n in numbers:
                await _driven(stage, n)
                done += 1
                if done % (RUNS // SAMPLES) == 0:
                    async with sampling:
                        samples.append(await worker.sample())
                        if RUNS >= WHOLE:
                            print(done, samples[-1], flush=True)

        sampling = asyncio.Lock()
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(drive())
        resident = fifths(samples, "resident")
        print([f"{size / MIB:.1f} MiB" for size in resident], fifths(samples, "threads"), samples[-1])
        after = await worker.sample()
    # A session that stays open is 200 KiB and more; a short soak has not filled yet all that Python and the SDK keep for reuse.
    assert after.sessions <= CACHED
    assert resident[4] - resident[1] <= 0.05 * resident[1] + (0 if RUNS >= WHOLE else 24 * MIB)
    # Pools take another thread now and then, up to their size; one for each run would be hundreds.
    assert fifths(samples, "threads")[4] - fifths(samples, "threads")[1] <= (0 if RUNS >= WHOLE else 16)
