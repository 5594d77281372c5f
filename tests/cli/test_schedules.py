from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.shell import evermoon, running
from tests.cli.test_dev import project
from tests.waiting import wait_until

SCHEDULE = """
  - {name: yearly, kind: temporal.schedule, workflow: waiting, cron: "0 0 1 1 *", input: {n: 1}}
"""


def until(directory: Path, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The one schedule, once it `holds`."""

    def schedules() -> list[dict[str, Any]]:
        found = evermoon(directory, "schedules", "--json")
        assert found.status == 0, found.err
        return [dict(schedule) for schedule in found.json if holds(schedule)]

    return wait_until(schedules)[0]


def test_a_schedule_saved_while_dev_runs_is_made_and_can_be_looked_after(tmp_path: Path) -> None:
    directory = project(tmp_path)
    registry = directory / "config" / "registry.yaml"
    without = registry.read_text()
    with running(directory, "dev", "--ephemeral"):
        assert evermoon(directory, "schedules", "--json").json == []
        registry.write_text(without + SCHEDULE)
        made = until(directory, lambda schedule: True)
        assert (made["entry"], made["workflow"], made["paused"]) == ("app:yearly", "app:waiting", False)

        paused = evermoon(directory, "schedules", "pause", "app:yearly", "--note", "holidays", "--json").json
        assert (paused["paused"], paused["note"]) == (True, "holidays")
        table = evermoon(directory, "schedules").out.splitlines()
        assert [line.split()[:3] for line in table] == [
            ["ID", "WORKFLOW", "STATE"],
            ["app:yearly", "app:waiting", "paused"],
        ]
        assert evermoon(directory, "schedules", "resume", "app:yearly").out == "resume: app:yearly\n"

        assert evermoon(directory, "schedules", "trigger", "app:yearly").status == 0
        [run] = until(directory, lambda schedule: bool(schedule["running"]))["running"]
        assert evermoon(directory, "send", run, "go", '"on"').status == 0
        result = evermoon(directory, "result", run, "--json").json
        assert (result["input"], result["got"]) == ({"n": 1}, "on")

        words = [
            "backfill",
            "app:yearly",
            "--from",
            "2020-06-01",
            "--to",
            "2022-06-01T00:00Z",
            "--overlap",
            "allow_all",
        ]
        assert evermoon(directory, "schedules", *words).status == 0
        assert until(directory, lambda schedule: schedule["actions"] == 3)["recent"][-1].startswith("app:yearly-202")

        near = evermoon(directory, "schedules", "trigger", "app:yearl")
        assert (near.status, 'did you mean "app:yearly"?' in near.err) == (1, True)

        registry.write_text(without)
        while evermoon(directory, "schedules", "--json").json:
            time.sleep(0.2)
        gone = evermoon(directory, "schedules", "trigger", "app:yearly")
        assert gone.status == 1
        assert "schedule not found: app:yearly" in gone.err


def test_misuse_is_told(tmp_path: Path) -> None:
    for words, said in (
        (["pause"], "pause needs the id of a schedule"),
        (["backfill", "app:yearly"], "backfill needs --from"),
        (["backfill", "app:yearly", "--from", "yesterday"], "'yesterday' is no ISO 8601 time"),
    ):
        done = evermoon(tmp_path, "schedules", *words)
        assert done.status == 2
        assert said in done.err
