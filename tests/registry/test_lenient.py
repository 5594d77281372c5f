"""Loading what is needed to speak to runs, over mistakes elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.registry import Registry, RegistryError
from tests.definitions import with_worker

GOOD = with_worker()
ELSEWHERE = [
    "- {name: f, kind: function.lua, sauce: x}",
    "- {name: f, kind: function.lua, source: 'file://missing.lua'}",
    "- {name: web, kind: http.router, server: nobody}",
]
WHERE_RUNS_LIVE = [
    "- {name: other, kind: temporal.client, adress: 'localhost:1'}",
    "- {name: other, kind: temporal.worker, client: nobody, task_queue: q}",
    "- {name: other, kind: temporal.cleint, address: 'localhost:1'}",
    "- {name: other}",
    "- {name: [",
]


def load(directory: Path, more: str) -> Registry:
    file = directory / "registry.yaml"
    file.write_text(f"{GOOD}  {more}\n")
    return Registry.load(file, environ={}, lenient=True)


@pytest.mark.parametrize("more", ELSEWHERE)
def test_a_mistake_elsewhere_becomes_a_note(tmp_path: Path, more: str) -> None:
    registry = load(tmp_path, more)
    assert set(registry.entries) >= {"app:temporal", "app:worker"}
    assert {note.severity for note in registry.notes} == {"error"}


@pytest.mark.parametrize("more", WHERE_RUNS_LIVE)
def test_one_that_may_say_where_runs_live_does_not(tmp_path: Path, more: str) -> None:
    with pytest.raises(RegistryError):
        load(tmp_path, more)
