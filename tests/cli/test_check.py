from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import evermoon

BROKEN = """
version: "1.0"
namespace: app
entries:
  - {name: worker, kind: temporal.worker, client: temporla, task_queue: q}
  - {name: temporal, kind: temporal.client, address: "localhost:1"}
  - {name: bad, kind: workflow.lua, source: file://bad.lua, modules: [fncs]}
  - {name: host, kind: workflow.lua, source: file://good.lua, modules: [http_client]}
  - {name: typo, kind: workflow.lau}
"""

TYPED = """
version: "1.0"
namespace: app
entries:
  - {name: temporal, kind: temporal.client, address: "127.0.0.1:1"}
  - {name: typed, kind: workflow.lua, source: file://good.lua, input_schema: {type: nonsense}}
"""


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    (tmp_path / "registry.yaml").write_text(BROKEN)
    (tmp_path / "bad.lua").write_text("local x = 1\nreturn function( end\n")
    (tmp_path / "good.lua").write_text("return function() end\n")
    return tmp_path


def test_every_mistake_is_named_with_its_place_and_nothing_else(broken: Path) -> None:
    done = evermoon(broken, "check", "--registry", "registry.yaml")
    assert done.status == 1
    lines = done.err.splitlines()
    for place, about in [
        ("registry.yaml:5", "temporal"),
        ("bad.lua:2", "app:bad"),
        ("registry.yaml:7", "funcs"),
        ("registry.yaml:8", "http_client"),
        ("registry.yaml:9", "workflow.lua"),
    ]:
        assert any(line.startswith(place) and about in line for line in lines), (place, done.err)
    assert "Traceback" not in done.err


def test_the_same_for_machines(broken: Path) -> None:
    done = evermoon(broken, "check", "--registry", "registry.yaml", "--json")
    assert (done.status, done.json["ok"]) == (1, False)
    places = {(Path(problem["file"]).name, problem["line"]) for problem in done.json["problems"]}
    assert {("bad.lua", 2), ("registry.yaml", 5)} <= places


@pytest.mark.parametrize("command", [["dev"], ["serve"], ["start", "app:bad"], ["call", "app:bad"]])
def test_nothing_starts_from_a_broken_registry(broken: Path, command: list[str]) -> None:
    done = evermoon(broken, *command, "--registry", "registry.yaml")
    assert done.status == 1
    assert "bad.lua:2" in done.err
    assert "Traceback" not in done.err
    assert not (broken / ".evermoon" / "dev.json").exists()


def test_a_new_project_has_no_mistakes(tmp_path: Path) -> None:
    assert evermoon(tmp_path, "new", ".", "--namespace", "app").status == 0
    done = evermoon(tmp_path, "check", "--json")
    assert (done.status, done.json["ok"], done.json["problems"]) == (0, True, [])
    tested = evermoon(tmp_path, "test")
    assert (tested.status, tested.out) == (0, "2 passed, 0 failed\n")


def test_new_changes_nothing_that_exists(tmp_path: Path) -> None:
    (tmp_path / "entries").mkdir()
    mine = tmp_path / "entries" / "hello.lua"
    mine.write_text("mine")
    done = evermoon(tmp_path, "new", ".", "--namespace", "app")
    assert (done.status, mine.read_text()) == (1, "mine")
    assert not (tmp_path / "config").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["start"],
        ["start", "app:x", "{not json"],
        ["start", "app:x", "NaN"],
        ["call", "app:x", "1", "{"],
        ["serve", "--processes", "0"],
        ["check", "--log-level", "loud"],
        ["replay"],
    ],
    ids=" ".join,
)
def test_misuse_ends_with_2_and_says_how_it_is_meant(tmp_path: Path, words: list[str]) -> None:
    done = evermoon(tmp_path, *words)
    assert done.status == 2
    assert "evermoon" in done.err


def test_a_registry_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = evermoon(tmp_path, "check")
    assert done.status == 1
    assert "config/registry.yaml" in done.err
    assert "Traceback" not in done.err


def test_an_override_counts(tmp_path: Path) -> None:
    evermoon(tmp_path, "new", ".", "--namespace", "app")
    done = evermoon(tmp_path, "check", "-o", "app:hello:source=file://entries/nowhere.lua")
    assert done.status == 1
    assert "nowhere.lua" in done.err


def test_help_names_every_command(tmp_path: Path) -> None:
    done = evermoon(tmp_path, "--help")
    names = "dev serve start send query update result cancel terminate ps show call check replay new"
    assert done.status == 0
    assert all(f"\n  {name} " in done.out for name in names.split())


@pytest.mark.parametrize("words", [["check"], ["start", "app:typed", "{}"], ["dev", "--ephemeral"], ["serve"]])
def test_an_input_schema_that_is_none_is_refused_wherever_a_run_could_be_started(
    tmp_path: Path, words: list[str]
) -> None:
    """With its place, also where nobody listens."""
    (tmp_path / "registry.yaml").write_text(TYPED)
    (tmp_path / "good.lua").write_text("return function() end\n")
    done = evermoon(tmp_path, *words, "--registry", "registry.yaml")
    assert done.status == 1
    assert "registry.yaml:6: app:typed: input_schema: not a JSON Schema at type" in done.err


LATE = "local function main()\n  return undo()\nend\nlocal function undo() end\nreturn main\n"


def test_a_local_that_is_used_before_it_is_declared_fails_check_and_deploy(tmp_path: Path) -> None:
    (tmp_path / "registry.yaml").write_text(
        "namespace: app\nentries:\n  - {name: late, kind: function.lua, source: file://late.lua}\n"
    )
    (tmp_path / "late.lua").write_text(LATE)
    said = "late.lua:2: app:late: `undo` is a local declared at line 4; move it above `main`"
    done = evermoon(tmp_path, "check", "--registry", "registry.yaml")
    assert (done.status, said in done.err) == (1, True)
    env = {"EVERMOON_BUNDLES": str(tmp_path / "bundles")}
    done = evermoon(tmp_path, "deploy", "--registry", "registry.yaml", env=env)
    assert (done.status, said in done.err) == (1, True)
    done = evermoon(tmp_path, "call", "app:late", "--registry", "registry.yaml")
    assert said in done.err
    assert "attempt to call a nil value (global 'undo'): `undo` is a local declared at line 4" in done.err
