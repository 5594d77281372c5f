"""How a misused command answers people, and machines."""

from __future__ import annotations

import json

import pytest

from runtime.cli.main import run

MISUSES = [["start"], ["start", "app:x", "{nonsense"], ["strat"], ["ps", "--limit", "0"], ["query", "--oops"]]


@pytest.mark.parametrize("words", MISUSES, ids=" ".join)
def test_misuse_is_told_to_machines_as_json(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    status = run([*words, "--json"])
    said = capsys.readouterr()
    assert (status, said.err) == (2, "")
    error = json.loads(said.out)["error"]
    assert error["kind"] == "Invalid"
    assert error["message"]
    assert error["details"]["usage"].startswith("Usage: evermoon")


def test_misuse_is_told_to_people_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    status = run(["start"])
    said = capsys.readouterr()
    assert (status, said.out) == (2, "")
    assert "Missing argument" in said.err


@pytest.mark.parametrize("words", [["--help"], ["start", "--help"], ["start", "--help", "--json"]], ids=" ".join)
def test_help_is_no_misuse(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 0
    assert "Usage: evermoon" in capsys.readouterr().out
