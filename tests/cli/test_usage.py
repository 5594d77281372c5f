"""How a misused command answers people, and machines."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from runtime import durations
from runtime.cli.dev_state import DevState
from runtime.cli.main import run
from runtime.errors import Error

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


def test_a_mistyped_command_is_told_which_may_be_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["strat"]) == 2
    assert "No such command 'strat'; did you mean \"start\"?" in capsys.readouterr().err


def test_a_duration_that_is_none_is_told_how_to_write_one() -> None:
    with pytest.raises(Error, match=r'\(write "30s" or "1h30m"\)'):
        durations.parse("2")


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
    "an address without a port": (
        {"TEMPORAL_ADDRESS": "127.0.0.1"},
        ["ps"],
        "'127.0.0.1' is no address of a Temporal server: write host:port, such as 127.0.0.1:7233",
    ),
    "an address that is a URL": (
        {"TEMPORAL_ADDRESS": "http://127.0.0.1:7233"},
        ["ps"],
        "'http://127.0.0.1:7233' is no address of a Temporal server: write host:port",
    ),
    "a state directory below a file": (
        {},
        ["dev", "--ephemeral", "--state", "/dev/null/state"],
        "/dev/null/state: Not a directory; --state DIR keeps the state elsewhere",
    ),
    "a new project below a file": ({}, ["new", "/dev/null/project"], "/dev/null/project"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_message_without_a_traceback(
    mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environ, words, message = MISTAKES[mistake]
    assert run(["new", str(tmp_path), "--namespace", "app"]) == 0
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


NOBODY = "127.0.0.1:1"
WHENCE = {
    "an environment variable": ({"TEMPORAL_ADDRESS": NOBODY}, [], ["which TEMPORAL_ADDRESS says for app:temporal in "]),
    "the default of one": ({}, [], ["the default of app:temporal in ", "since TEMPORAL_ADDRESS is not set"]),
    "the registry": ({}, ["-o", f"app:temporal:address={NOBODY}"], ["the address of app:temporal in "]),
}


@pytest.mark.parametrize("words", [["ps"], ["send", "some", "topic"], ["start", "app:hello"]], ids=" ".join)
@pytest.mark.parametrize("whence", WHENCE)
def test_an_address_where_nobody_answers_is_told_with_where_it_comes_from(
    whence: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environ, options, told = WHENCE[whence]
    said = _failing(tmp_path, monkeypatch, capsys, [*words, *options], environ)
    for part in [f"the Temporal server does not answer at {NOBODY}, ", *told, "registry.yaml:5"]:
        assert part in said
    assert "no evermoon dev runs with its state in .evermoon: evermoon dev starts a server" in said


def test_a_running_dev_whose_server_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    DevState(address=NOBODY, namespace="default", ui="", http={}, pid=os.getpid()).write(tmp_path / ".evermoon")
    said = _failing(tmp_path, monkeypatch, capsys, ["send", "some", "topic"], {})
    wrote = f"(evermoon dev, process {os.getpid()}, wrote that address to {Path('.evermoon/dev.json')})"
    assert f"the Temporal server does not answer at {NOBODY}: nobody listens there" in said
    assert wrote in said


@pytest.mark.parametrize(
    ("entry", "hint"), [("app:helo", '; did you mean "app:hello"?'), ("app:greeet", ""), ("unlike", "")]
)
def test_a_mistyped_workflow_is_told_with_the_one_that_is_meant(
    entry: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = _failing(tmp_path, monkeypatch, capsys, ["start", entry], {})
    assert said == f"evermoon: workflow not found: {entry}{hint} [NotFound]\n"


def _failing(
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    environ: dict[str, str],
) -> str:
    """What a command that fails says, in a new project whose default address is one where nobody answers."""
    assert run(["new", str(directory), "--namespace", "app"]) == 0
    registry = directory / "config/registry.yaml"
    registry.write_text(registry.read_text().replace("localhost:7233", NOBODY))
    monkeypatch.chdir(directory)
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    capsys.readouterr()
    assert run([*words, "--state", ".evermoon"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def test_a_wait_that_is_no_duration_publishes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["new", str(tmp_path), "--namespace", "app"]) == 0
    monkeypatch.chdir(tmp_path)
    assert run(["deploy", "--wait", "--timeout", "soon"]) == 2
    assert "not a duration: 'soon'" in capsys.readouterr().err
    assert not list(tmp_path.glob(".evermoon/bundles/*"))
