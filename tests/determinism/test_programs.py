"""The same commands, byte for byte, in every interpreter (each has another hash seed) and in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.determinism.programs import FOLDER, PROGRAMS, fingerprint, run

ROOT = FOLDER.parent.parent.parent


def test_the_corpus_is_whole() -> None:
    assert len(PROGRAMS) >= 50


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_in_twenty_interpreters(program: Path) -> None:
    recorded = run(program, replays=10)
    assert recorded.steps
    frames = [step.batch.frame for step in recorded.steps]
    for _ in range(9):
        assert [step.batch.frame for step in run(program).steps] == frames


@pytest.mark.parametrize("hash_seed", ["0", "1", "4242"])
def test_in_processes_of_their_own(hash_seed: str) -> None:
    """Other hash seeds, addresses, time zones and locales."""
    environ = {
        **os.environ,
        "PYTHONHASHSEED": hash_seed,
        "TZ": "Asia/Tokyo",
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "tests.determinism.everything"]
    there = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True).stdout.split()
    assert there == [word for program in PROGRAMS for word in (program.stem, fingerprint(program))]
