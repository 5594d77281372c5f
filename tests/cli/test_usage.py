"""How a misused command answers people, and machines."""

from __future__ import annotations

import json
from pathlib import Path

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
    assert "evermoon" in error["details"]["usage"]


def test_misuse_is_told_to_people_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    status = run(["start"])
    said = capsys.readouterr()
    assert (status, said.out) == (2, "")
    assert "evermoon start" in said.err


@pytest.mark.parametrize("words", [["--help"], ["start", "--help"], ["start", "--help", "--json"]], ids=" ".join)
def test_help_is_no_misuse(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 0
    assert "evermoon" in capsys.readouterr().out


MISTAKES = {
    "an address that is none": ({"TEMPORAL_ADDRESS": "::"}, ["ps"], "'::' is no address of a Temporal server"),
    "a port that is none": (
        {"TEMPORAL_ADDRESS": "host:port"},
        ["ps"],
        "'host:port' is no address of a Temporal server",
    ),
    "a state directory below a file": ({}, ["dev", "--ephemeral", "--state", "/dev/null/state"], "/dev/null/state: "),
    "a new project below a file": ({}, ["new", "/dev/null/project"], "/dev/null/project"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_message_without_a_traceback(
    mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environ, words, message = MISTAKES[mistake]
    assert run(["new", str(tmp_path)]) == 0
    monkeypatch.chdir(tmp_path)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    capsys.readouterr()
    assert run(words) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("evermoon: ")
    assert message in said.err
    assert said.err.count("\n") == 1


def test_a_wait_that_is_no_duration_publishes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["new", str(tmp_path)]) == 0
    monkeypatch.chdir(tmp_path)
    assert run(["deploy", "--wait", "--timeout", "soon"]) == 1
    assert "not a duration: 'soon'" in capsys.readouterr().err
    assert not list(tmp_path.glob(".evermoon/bundles/*"))
