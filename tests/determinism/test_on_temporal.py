"""Each program of the corpus on the real server, and replayed from its history in fresh processes, step by step in two interpreters."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from runtime import Runtime
from runtime.errors import Error
from runtime.lua.hibernation import HibernationPool
from runtime.lua.program import Programs
from runtime.registry import DirectoryStore, Registry
from runtime.temporal.dev_server import DevServer
from runtime.temporal.replay.replayer import replay
from tests.definitions import worker_entries, write_entries
from tests.determinism.programs import FOLDER, MODULES, PROGRAMS

ROOT = FOLDER.parent.parent.parent
#: Those that spend a whole budget take longer on a loaded machine than Temporal lets a workflow task run.
NAMES = [program.stem for program in PROGRAMS if "budget" not in program.stem]
ENDS = ("WORKFLOW_EXECUTION_COMPLETED", "WORKFLOW_EXECUTION_FAILED")
#: Waits that cost nothing on a virtual clock.
SHORTER = {'"90m"': '"1s"', '"1m"': '"2s"', '"10s"': '"2s"', '"5s"': '"1s"', "1000000000)": "10000000)"}


def write_site(directory: Path) -> Path:
    """The corpus as a registry: every program a workflow, and the one activity that they call."""
    (directory / "act.lua").write_text('return { main = function(...) return select("#", ...) end }')
    entries: list[dict[str, Any]] = [
        *worker_entries("QUEUE"),
        {
            "name": "act",
            "kind": "function.lua",
            "source": "file://act.lua",
            "meta": {"temporal": {"activity": {"worker": "worker"}}},
        },
    ]
    for program in PROGRAMS:
        text = program.read_text()
        for long, short in SHORTER.items():
            text = text.replace(long, short)
        (directory / program.name).write_text(text)
        entries.append(
            {
                "name": program.stem,
                "kind": "workflow.lua",
                "source": f"file://{program.name}",
                "modules": list(MODULES),
                "meta": {"temporal": {"workflow": {"worker": "worker"}}},
            }
        )
    return write_entries(directory, entries)


async def record(runtime: Runtime, name: str, to: Path) -> None:
    """Runs one program to its end, good or bad, and keeps its history."""
    run = await runtime.spawn(f"app:{name}", id=f"corpus-{name}-{uuid.uuid4()}", worker="app:worker")
    with suppress(Error):
        await runtime.result(run, timeout=100.0)
    history = await runtime.history(run)
    assert history["events"][-1]["eventType"].removeprefix("EVENT_TYPE_") in ENDS
    (to / f"{name}.json").write_text(json.dumps(history))


@pytest.fixture(scope="module")
async def recorded(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the registry, the bundles and the history of every program."""
    directory = tmp_path_factory.mktemp("corpus")
    registry = write_site(directory)
    async with Runtime.open(
        registry, temporal=temporal_server.address, bundles=directory / "bundles", environ={}
    ) as runtime:
        await asyncio.gather(*(record(runtime, name, directory) for name in NAMES))
    return directory


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", ["1", "4242"])
def test_every_history_replays_in_a_fresh_process(seed: str, recorded: Path) -> None:
    files = [str(recorded / f"{name}.json") for name in NAMES]
    replay = ["replay", "--json", "--registry", str(recorded / "registry.yaml"), *(["--shadow"] if seed == "1" else [])]
    done = subprocess.run(
        [sys.executable, "-m", "runtime.cli.main", *replay, *files],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    results = json.loads(done.stdout)
    assert [(result["name"], result["failure"]) for result in results if not result["ok"]] == []
    assert len(results) == len(NAMES)
    assert done.returncode == 0


async def test_every_history_replays_asleep_between_its_tasks(recorded: Path) -> None:
    registry = Registry.load(recorded / "registry.yaml", environ={})
    programs, pool = Programs(registry, DirectoryStore(recorded / "bundles")), HibernationPool(0)
    results = await replay([recorded / f"{name}.json" for name in NAMES], registry, programs, pool=pool)
    assert [(result.name, result.failure) for result in results if not result.ok] == []
    assert pool.counts.wakes > len(NAMES)
    assert pool.counts.differed == 0
