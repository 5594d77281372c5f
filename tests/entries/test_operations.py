"""`make demo-operations`: a worker killed at each point between accept and finalize, and what every operation came to."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from tests.entries.test_demo import linux, none_left, start

POINTS = ("accepted", "asked", "charged", "committed", "receipt")


@linux
async def test_operation_killed_between_accept_and_finalize_has_one_side_effect_and_a_whole_trail(
    tmp_path: Path,
) -> None:
    """The demo holds its claims, one charge and one receipt for each, by itself; and it leaves nothing running."""
    mark = uuid.uuid4().hex
    process = await start(mark, tmp_path, "entries.operations.demo")
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    report = json.loads(out.decode().splitlines()[-1])
    states = {name: (found["state"], found["status"]) for name, found in report.items()}
    completed = dict.fromkeys(("paid", "moody", *POINTS), ("COMPLETED", "COMPLETED"))
    assert states == {**completed, "declined": ("FAILED", "FAILED"), "out_of_time": ("FAILED", "TIMED_OUT")}
    trail = {
        name: [(one["activity"].partition(":")[2], one["outcome"]) for one in report[name]["attempts"]]
        for name in POINTS
    }
    once = [("ask", "ok"), ("finalize", "ok")]
    assert trail["receipt"] == once
    assert trail["charged"] == [("ask", "lost"), *once]
    assert trail["committed"] == [("ask", "ok"), ("finalize", "lost"), ("finalize", "ok")]
    assert all(found["command"]["domain"] == "payments" for found in report.values())
    await none_left(mark)
