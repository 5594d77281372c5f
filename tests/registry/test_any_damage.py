"""However a definition file is damaged, a load ends in a registry or in problems with a place, never in a crash."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.registry import Registry, RegistryError
from tests.registry.support import MAIN, Files
from tests.registry.test_registry import APP, SCRIPTS

PIECES = [
    "null",
    "[]",
    "{}",
    "5",
    "true",
    "- ",
    ": ",
    "${env:",
    "${env:X}",
    "<<: *a",
    "&a ",
    "\n",
    "  ",
    "..",
    "/",
    "\x00",
    "é",
    "!!x ",
]
cuts = st.tuples(st.integers(0, len(APP)), st.integers(0, 12), st.sampled_from([*PIECES, ""]))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Files(tmp_path_factory.mktemp("damaged")).write({MAIN: APP, **SCRIPTS})


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(cuts, min_size=1, max_size=4))
def test_damage_ends_in_problems_with_a_place(path: Path, damage: list[tuple[int, int, str]]) -> None:
    text = APP
    for start, length, piece in damage:
        text = text[:start] + piece + text[start + length :]
    path.write_text(text, encoding="utf-8")
    assert problems(path) == []


def problems(path: Path) -> list[str]:
    """What lacks a place."""
    try:
        Registry.load(path, environ={})
    except RegistryError as error:
        found = [f"{problem}" for problem in error.problems if not str(problem.file).endswith(MAIN)]
        return found if error.problems else ["an error without problems"]
    return []
