"""What `/metrics` says of the runs of this host's workers."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp

from runtime import Runtime
from runtime.temporal.dev_server import DevServer
from tests.definitions import write
from tests.waiting import eventually

REGISTRY = """
namespace: app
entries:
  - {name: temporal, kind: temporal.client, address: "127.0.0.1:1"}
  - name: worker
    kind: temporal.worker
    client: temporal
    task_queue: QUEUE
    worker_options: {max_live_interpreters: 1}
  - {name: service, kind: http.service, addr: "127.0.0.1:0"}
  - {name: waits, kind: workflow.lua, source: file://waits.lua, meta: {temporal: {workflow: {worker: worker}}}}
"""


async def test_how_many_runs_are_awake_and_asleep(tmp_path: Path, temporal_server: DevServer) -> None:
    (tmp_path / "waits.lua").write_text("return function() return process.inbox():receive():payload():data() end")
    write(tmp_path, REGISTRY)
    async with (
        Runtime.open(tmp_path, temporal=temporal_server.address, http=True, environ={}) as runtime,
        aiohttp.ClientSession() as session,
    ):

        async def until(**wanted: float) -> None:
            """Waits until the metrics of the worker say so."""
            [url] = runtime.urls.values()

            async def shown() -> dict[str, float]:
                async with session.get(f"{url}/metrics") as response:
                    said = dict(re.findall(r'^evermoon_(\w+){worker="app:worker"} (\S+)$', await response.text(), re.M))
                return {name: float(said.get(name, -1)) for name in wanted}

            await eventually(shown, lambda found: found == wanted, every=0.05)

        await until(runs_live=0, runs_asleep=0)
        runs = [await runtime.spawn("app:waits") for _ in range(3)]
        await until(runs_live=1, runs_asleep=2, run_wakes_total=0)
        for run in runs:
            await runtime.send(run, "go", 7)
        assert [await runtime.result(run) for run in runs] == [7, 7, 7]
        await until(runs_live=0, runs_asleep=0, run_wakes_differed_total=0)
        await until(run_wakes_total=2, run_wake_steps_total=2)
