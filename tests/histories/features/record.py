"""Records the histories of the features: ``python -m tests.histories.features.record [name …]``.

Without names it records those that have no history yet. Never overwrite one to make a test pass: an old history that no
longer replays is a run that an upgrade would break.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runtime.temporal.dev_server import DevServer
from tests.histories.features.outside import Feature, perform, stage, types
from tests.histories.features.table import FEATURES

FOLDER = Path(__file__).parent / "recordings"


def files(name: str, feature: Feature) -> list[Path]:
    """Where the histories of a feature's runs are, in order."""
    if feature.runs == 1:
        return [FOLDER / f"{name}.json"]
    return [FOLDER / f"{name}.{number}.json" for number in range(1, feature.runs + 1)]


def write(path: Path, history: Mapping[str, Any]) -> None:
    """One event a line."""
    events = ",\n".join(json.dumps(event, separators=(",", ":")) for event in history["events"])
    path.write_text('{"events":[\n' + events + "\n]}\n")


async def record(address: str, name: str, feature: Feature) -> None:
    async with stage(address, feature.recorded_with) as (runtime, client):
        gave, histories = await perform(runtime, client, name, feature)
    print(f"{name}: {json.dumps(gave)}, {[len(types(history)) for history in histories]} events", file=sys.stderr)
    for path, history in zip(files(name, feature), histories, strict=True):
        write(path, history)


async def main(names: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    wanted = {name: feature for name, feature in FEATURES.items() if not feature.superseded}
    missing = [name for name, feature in wanted.items() if not all(path.exists() for path in files(name, feature))]
    async with DevServer() as server:
        for name in names or missing:
            await record(server.address, name, FEATURES[name])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
