"""Which files make a registry, and what their heads may say."""

from __future__ import annotations

import pytest

from runtime.registry import Registry, RegistryError
from tests.registry.support import MAIN, Files

ONE = "namespace: {0}\nentries: [{{name: a, kind: registry.entry}}]\n"


def ids(registry: Registry) -> list[str]:
    return sorted(registry.entries)


def test_includes_are_globs_relative_to_the_file_and_each_file_is_read_once(files: Files) -> None:
    files.write(
        {
            "config/parts/b.yaml": ONE.format("b") + "include: ../../config/*.yaml\n",
            "config/parts/deep/c.yaml": ONE.format("c"),
            "config/d.yaml": ONE.format("d"),
        }
    )
    path = files.write({"config/registry.yaml": 'include: ["parts/**/*.yaml", parts/b.yaml]\n'})
    assert ids(Registry.load(path, environ={})) == ["b:a", "c:a", "d:a"]


def test_a_directory_is_every_definition_file_below_it(files: Files) -> None:
    files.write(
        {
            "_index.yaml": ONE.format("top"),
            "below/_index.yaml": ONE.format("below"),
            "below/chart.yaml": "name: not ours\n{{ broken }}\n",
            "below/other.yml": ONE.format("yml"),
            ".hidden/x.yaml": ONE.format("hidden"),
        }
    )
    registry = Registry.load(files.directory, environ={})
    assert ids(registry) == ["below:a", "top:a", "yml:a"]
    assert len(registry.files) == 3


def test_one_entry_may_be_at_the_top_level(files: Files) -> None:
    text = """
    version: "1.0"
    namespace: app
    name: temporal
    kind: temporal.client
    address: "localhost:1"
    """
    assert files.load(text)["app:temporal"].line == 4


def test_sources_are_relative_to_the_file_or_to_its_root(files: Files) -> None:
    files.write({"lua/a.lua": "return 1", "config/a.lua": "return 2"})
    entry = "entries: [{name: a, kind: library.lua, source: 'file://%s'}]\n"
    near = files.write({"config/near.yaml": "namespace: app\n" + entry % "a.lua"})
    far = files.write({"config/far.yaml": "namespace: app\nroot: ..\n" + entry % "lua/a.lua"})
    near_source = Registry.load(near, environ={})["app:a"]
    far_source = Registry.load(far, environ={})["app:a"]
    assert (near_source.root, far_source.root) == (files.directory / "config", files.directory)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "a definition file is a mapping"),
        ("- a\n", 1, "a definition file is a mapping"),
        ("namespace: app\n", 1, "the file has no entries"),
        ("version: '1.0'\nentries: []\n", 2, "the file has no namespace"),
        ("namespace: a b\nentries: []\n", 1, "is not a name"),
        ("namespace: app\nversion: '2.0'\nentries: []\n", 2, "version '2.0' is not supported"),
        ("namespace: app\nentires: []\nentries: []\n", 2, 'unknown field "entires"'),
        ("namespace: app\nentries: {a: 1}\n", 2, "entries is a list"),
        ("namespace: app\nentries:\n  - 5\n", 3, "an entry is a mapping"),
        ("namespace: app\nentries: []\nkind: registry.entry\nname: a\n", 2, "not both"),
        ("namespace: app\nroot: nowhere\nentries: []\n", 2, "is not a directory"),
        ("include:\n  - none/*.yaml\n", 2, 'include "none/*.yaml" matches no file'),
        ("include:\n  - /etc/*.yaml\n", 2, "is not relative to this file"),
        ("include: [5]\n", 1, "include takes file names"),
        ("namespace: app\noverride: [a]\nentries: []\n", 2, "override maps"),
        ("namespace: app\nentries:\n  - kind: registry.entry\n    name: a:b\n", 4, "'a:b' is not a name"),
        ("namespace: app\nentries:\n  - {name: a}\n", 3, 'missing field "kind"'),
    ],
)
def test_a_mistake_in_the_head_is_a_problem_at_its_line(files: Files, text: str, line: int, message: str) -> None:
    problem = files.problem(text)
    assert message in problem.message
    assert problem.line == line


@pytest.mark.parametrize("name", ["registri.yaml", "empty"])
def test_a_path_without_definitions_is_a_problem(files: Files, name: str) -> None:
    files.write({MAIN: ONE.format("app")})
    (files.directory / "empty").mkdir()
    with pytest.raises(RegistryError) as raised:
        Registry.load(files.directory / name, environ={})
    [problem] = raised.value.problems
    assert problem.message in ("no such file", "no *.yaml, *.yml or *.json below this directory has a namespace")
    assert (name == "empty") == (problem.hint is None)


def test_a_file_that_is_not_text_is_a_problem(files: Files) -> None:
    path = files.directory / MAIN
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RegistryError, match="not UTF-8 text"):
        Registry.load(path, environ={})


def test_one_id_in_two_files_names_both_places(files: Files) -> None:
    files.write({"b.yaml": ONE.format("app")})
    problem = files.problem(ONE.format("app") + "include: b.yaml\n")
    assert str(problem.file).endswith("b.yaml")
    assert problem.message == "app:a is defined twice"
    assert f"{MAIN}:2" in (problem.hint or "")


def test_keys_that_begin_with_x_hold_what_entries_share(files: Files) -> None:
    text = """
    namespace: app
    x-data: &data {limit: 5}
    entries:
      - {name: a, kind: registry.entry, data: *data}
      - {name: b, kind: registry.entry, data: {<<: *data, more: 1}}
    """
    registry = files.load(text)
    assert registry["app:b"].definition["data"] == {"limit": 5, "more": 1}
