"""How a misused command answers people, and machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import evermoon

MISUSES = [["start"], ["start", "app:x", "{nonsense"], ["strat"], ["ps", "--limit", "0"], ["query", "--oops"]]


@pytest.mark.parametrize("words", MISUSES, ids=" ".join)
def test_misuse_is_told_to_machines_as_json(tmp_path: Path, words: list[str]) -> None:
    outcome = evermoon(tmp_path, *words, "--json")
    assert (outcome.status, outcome.err) == (2, "")
    error = outcome.json["error"]
    assert error["kind"] == "Invalid"
    assert error["message"]
    assert error["details"]["usage"].startswith("Usage: evermoon")


def test_misuse_is_told_to_people_as_text(tmp_path: Path) -> None:
    outcome = evermoon(tmp_path, "start")
    assert (outcome.status, outcome.out) == (2, "")
    assert "Missing argument" in outcome.err
