"""A project knows itself: what another one runs at the address that a command would use is not taken for its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.shell import Outcome, evermoon, running
from tests.waiting import wait_until


@dataclass
class Neighbours:
    """Two new projects of the names `a` and `b`, and two that share a namespace. `evermoon dev` runs in `a`, at the address that is the default of all."""

    place: Path
    address: str

    def __call__(self, project: str, *words: str, told: bool = False) -> Outcome:
        env = {"TEMPORAL_ADDRESS": self.address} if told else None
        return evermoon(self.place / project, *words, env=env)


def write(directory: Path, *words: str, address: str = "localhost:7233") -> None:
    assert evermoon(directory.parent, "new", directory.name, *words).status == 0
    registry = directory / "config" / "registry.yaml"
    text = registry.read_text().replace("127.0.0.1:8080", "127.0.0.1:0")
    registry.write_text(text.replace("localhost:7233", address))


@pytest.fixture(scope="module")
def neighbours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neighbours]:
    place = tmp_path_factory.mktemp("projects")
    write(place / "a")
    with running(place / "a", "dev", "--ephemeral") as (_, told):
        write(place / "b", address=told["address"])
        write(place / "twin", "--namespace", "a", address=told["address"])
        yield Neighbours(place, told["address"])


def test_a_new_project_has_its_name_for_namespace_and_queue(neighbours: Neighbours) -> None:
    started = neighbours("a", "start", "a:hello", '{"name": "Ada"}', "--wait", "--json")
    assert started.json == {"greeting": "Hello, Ada!"}
    assert started.err == ""  # the server of one's own dev needs no word
    refused = neighbours("b", "start", "b:hello", "--id", "lost")
    assert (refused.status, refused.out) == (1, "")
    assert "b:hello is not served: no worker polls its task queue b. " in refused.err


def test_a_worker_of_another_registry_is_not_given_runs_of_this_one(neighbours: Neighbours) -> None:
    refused = neighbours("twin", "start", "a:hello", "--id", "mixed")
    assert (refused.status, refused.out) == (1, "")
    assert "a:hello is not served: on its task queue a process " in refused.err
    assert "serves another registry, whose files lie elsewhere" in refused.err
    refused = neighbours("b", "start", "b:hello", "--worker", "a", "--id", "mixed")
    assert refused.status == 1
    assert "serves another registry, with workflows of a." in refused.err
    assert neighbours("a", "show", "mixed").status == 1


def test_a_run_may_be_started_all_the_same(neighbours: Neighbours) -> None:
    started = neighbours("b", "start", "b:hello", "--id", "patient", "--unserved")
    assert (started.status, started.out) == (0, "patient\n")
    assert "b:hello waits to be served: no worker polls its task queue b" in started.err


def test_a_registry_is_the_same_by_another_path(neighbours: Neighbours) -> None:
    link = neighbours.place / "linked"
    link.symlink_to(neighbours.place / "a")
    state = ("--state", str(neighbours.place / "a" / ".evermoon"))
    assert neighbours("linked", "start", "a:hello", "--registry", "config", *state).status == 0
    assert neighbours("b", "start", "a:hello", "--registry", "../linked/config/registry.yaml", *state).status == 0


@pytest.mark.parametrize(
    "words",
    [("ps",), ("start", "b:hello"), ("send", "nobody", "topic"), ("show", "nobody"), ("schedules",)],
    ids=" ".join,
)
def test_a_command_says_which_server_it_means_when_nobody_told_it(
    neighbours: Neighbours, words: tuple[str, ...]
) -> None:
    line = f"using the Temporal server at {neighbours.address}, namespace default, since TEMPORAL_ADDRESS is not set"
    assert neighbours("b", *words).err.count(line) == 1
    assert line not in neighbours("b", *words, told=True).err
    assert line not in neighbours("b", *words, "--json").err


def test_ps_lists_the_runs_of_this_registry(neighbours: Neighbours) -> None:
    assert neighbours("a", "start", "a:hello", "--id", "of-a").status == 0
    wait_until(lambda: "of-a" in neighbours("a", "ps").out)
    listed = neighbours("b", "ps")
    assert (listed.status, "of-a" in listed.out) == (0, False)
    assert "of-a" in neighbours("b", "ps", "--all").out
    assert neighbours("b", "ps", "--query", "WorkflowId = 'of-a'", "--json").json == []
    found = neighbours("b", "ps", "--query", "WorkflowId = 'of-a'", "--all", "--json").json
    assert [run["id"] for run in found] == ["of-a"]


def test_ps_lists_nobody_elses_runs_whatever_is_wrong_with_the_registry(neighbours: Neighbours) -> None:
    assert neighbours("a", "start", "a:hello", "--id", "also-of-a").status == 0
    wait_until(lambda: "also-of-a" in neighbours("a", "ps").out)
    registry = neighbours.place / "b" / "config" / "registry.yaml"
    whole = registry.read_text()
    try:
        registry.write_text(whole.replace("name: hello", "name: hello\n    colour: green"))
        listed = neighbours("b", "ps")
    finally:
        registry.write_text(whole)
    assert "passing over 1 problem of the registry" in listed.err, listed
    assert "runs of workflows that are passed over are not listed; --all lists the runs of every type" in listed.err
    assert (listed.status, "also-of-a" in listed.out) == (0, False)


@pytest.mark.parametrize(
    ("name", "namespace"), [("my project!", "my-project"), ("Trips.2", "Trips.2"), ("42", "42"), ("no", "no")]
)
def test_any_name_of_a_directory_makes_a_project(tmp_path: Path, name: str, namespace: str) -> None:
    made = evermoon(tmp_path, "new", name, "--json")
    assert made.json["namespace"] == namespace
    assert evermoon(tmp_path / name, "check").status == 0
    assert evermoon(tmp_path / name, "test").out == "2 passed, 0 failed\n"


@pytest.mark.parametrize("words", [("---",), ("fine", "--namespace", "a b")], ids=" ".join)
def test_a_name_that_makes_no_namespace_is_a_misuse(tmp_path: Path, words: tuple[str, ...]) -> None:
    refused = (
        evermoon(tmp_path, "new", "--json", "--", *words) if words[0] == "---" else evermoon(tmp_path, "new", *words)
    )
    assert refused.status == 2
    assert "--namespace" in refused.out + refused.err
    assert list(tmp_path.iterdir()) == []
