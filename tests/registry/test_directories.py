"""A directory as a registry: what of it is a definition file is judged by a parser, and what is passed over is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.registry import Registry, RegistryError
from runtime.registry.files import MAX_BYTES, MAX_NOTES
from tests.registry.support import Files

ONE = "namespace: app\nentries:\n  - {name: one, kind: env.variable, variable: ONE}\n"


def load(files: Files, **texts: str) -> Registry:
    """Files by name, in which `__` stands for the dot."""
    files.write({name.replace("__", "."): text for name, text in texts.items()})
    return Registry.load(files.directory, environ={})


def notes(registry: Registry) -> dict[str, str]:
    return {Path(note.file).name: note.message for note in registry.notes}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("two.yml", "namespace: app\nentries:\n  - {name: two, kind: env.variable, variable: TWO}\n"),
        ("two.json", '{"namespace": "app", "entries": [{"name": "two", "kind": "env.variable", "variable": "TWO"}]}'),
        ("two.json", '{\n\t"entries": [\n\t\t{"name": "two", "kind": "env.variable", "variable": "TWO"}],\n\t"namespace": "app"}'),
        ("two.yaml", '# c\n\n{"namespace": "app", "name": "two", "kind": "env.variable", "variable": "TWO"}'),
        ("two.yaml", "  namespace: app\n  entries:\n    - {name: two, kind: env.variable, variable: TWO}\n"),
        ("two.yaml", '"namespace" : app\n"entries": [{name: two, kind: env.variable, variable: TWO}]\n'),
    ],
)  # fmt: skip
def test_every_form_of_a_definition_file_is_taken(files: Files, name: str, text: str) -> None:
    (files.directory / name).write_text(text)
    assert set(load(files, one__yaml=ONE).entries) == {"app:one", "app:two"}


def test_the_characters_of_json_are_those_that_it_means(files: Files) -> None:
    text = '{"namespace": "app", "name": "two", "kind": "registry.entry", "data": "\\ud83d\\ude00 \\\\ud83d\\u00e4"}'
    (files.directory / "two.json").write_text(text)
    data = load(files, one__yaml=ONE).entries["app:two"].definition["data"]
    assert data == "\U0001f600 \\ud83dä"


def test_mistakes_are_found_in_each_of_them(files: Files) -> None:
    with pytest.raises(RegistryError) as refused:
        load(
            files,
            a__yaml=ONE,
            b__yaml='{"namespace": "app", "entries": [{"name": "two", "kind": "env.variabel", "variable": "TWO"}]}',
            c__yml="  namespace: app\n  entries:\n    - {name: three, kind: env.variable, variable: T, more: 1}",
            d__json='{"entries": [{"name": "four", "kind": "env.variable", "variable": "F"}]}',
            e__json='{"namespace": "app", "entries": [{"name": "five", ]',
        )
    said = [(Path(problem.file).name, problem.line, problem.message) for problem in refused.value.problems]
    assert said[:3] == [
        ("b.yaml", 1, 'unknown kind "env.variabel"'),
        ("c.yml", 3, 'unknown field "more"'),
        ("d.json", 1, "the file has no namespace"),
    ]
    assert [(name, line) for name, line, _ in said[3:]] == [("e.json", 1)]


def test_what_is_passed_over_is_said_and_why(files: Files) -> None:
    (files.directory / "big.json").write_text(" " * (MAX_BYTES + 1))
    (files.directory / "latin.json").write_bytes(b'{"name": "caf\xe9"}')
    made = load(
        files,
        one__yaml=ONE,
        package__json='{"name": "site", "entries": ["a.js"]}',
        list__yaml="[namespace]",
        chart__yaml="{{ if .Values }}\nmetadata:\n  namespace: x\n",
        deployment__yaml="kind: Deployment\nmetadata: {name: x, namespace: y}\n",
        plain__yml="a: 1",
        broken__yaml="a: [1\nnamespaced: 2\n",
    )
    assert set(made.entries) == {"app:one"}
    said = notes(made)
    assert said.pop("broken.yaml").startswith("passed over, since it is not YAML: ")
    assert said.pop("chart.yaml").startswith("passed over, since it is not YAML: ")
    assert said == {
        "big.json": "passed over, since it is larger than 8 MiB",
        "latin.json": "passed over, since it is not UTF-8 text",
        "package.json": "passed over, since it has no namespace",
        "list.yaml": "passed over, since it is no mapping",
        "deployment.yaml": "passed over, since it has no namespace",
        "plain.yml": "passed over, since it has no namespace",
    }


def test_places_of_other_tools_are_not_looked_at(files: Files) -> None:
    files.write({"node_modules/x/package.json": "{}", ".git/x.yaml": ONE, "sub/one.yaml": ONE})
    made = Registry.load(files.directory, environ={})
    assert (set(made.entries), made.notes) == ({"app:one"}, [])


def test_many_files_that_are_passed_over_are_counted(files: Files) -> None:
    texts = {f"data{number}__json": "{}" for number in range(MAX_NOTES + 5)}
    made = load(files, one__yaml=ONE, **texts)
    assert len(made.notes) == MAX_NOTES + 1
    assert "5 more files are no definition files" in "".join(note.message for note in made.notes)


def test_a_yaml_file_that_is_meant_and_cannot_be_read_is_a_mistake(files: Files) -> None:
    with pytest.raises(RegistryError, match="not YAML"):
        load(files, one__yaml=ONE, two__yaml="namespace: app\nentries: [}\n")
