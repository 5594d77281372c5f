"""A few seconds of coverage-guided fuzzing for each target; `make fuzz` takes longer."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

#: Scripts from a grammar, values through conversion, payloads and messages through routing.
TARGETS = [
    "test_scripts",
    "test_values_come_back_as_they_were",
    "test_payloads_of_any_bytes",
    "test_events_in_any_order",
]
SECONDS = os.environ.get("EVERMOON_FUZZ_SECONDS", "1")


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this platform")
@pytest.mark.timeout(600 + 2 * int(SECONDS))
@pytest.mark.parametrize("target", TARGETS)
def test_fuzzing_finds_nothing(target: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.security.coverage_guided", target, SECONDS]
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", env={**os.environ, "EVERMOON_FUZZ": str(tmp_path)}
    )
    found = [path.read_bytes() for path in tmp_path.glob("*-*")]
    assert done.returncode == 0, f"{found}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
