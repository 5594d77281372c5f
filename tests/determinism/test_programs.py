"""The same commands, byte for byte, in every interpreter (each has another hash seed) and in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.determinism.programs import FOLDER, PROGRAMS, fingerprint, run

ROOT = FOLDER.parent.parent.parent
ZONES = ("Asia/Tokyo", "UTC", "America/St_Johns")
LOCALES = ("C.UTF-8", "C", "POSIX")


def test_the_corpus_is_whole() -> None:
    assert len(PROGRAMS) >= 60


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_in_interpreters_of_one_process(program: Path) -> None:
    recorded = run(program, replays=3)
    assert recorded.steps
    frames = [step.batch.frame for step in recorded.steps]
    for _ in range(2):
        assert [step.batch.frame for step in run(program).steps] == frames


@pytest.mark.parametrize("number", range(20))
def test_in_twenty_processes(number: int) -> None:
    """Fresh ones, with other hash seeds of Python and of Lua, addresses, time zones and locales."""
    environ = {
        **os.environ,
        "PYTHONHASHSEED": str(number * 4242),
        "TZ": ZONES[number % len(ZONES)],
        "LC_ALL": LOCALES[number % len(LOCALES)],
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "tests.determinism.everything"]
    there = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True).stdout.split()
    assert there == _here()


@cache
def _here() -> list[str]:
    return [word for program in PROGRAMS for word in (program.stem, fingerprint(program))]
