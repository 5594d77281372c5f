"""docs/foreign-names.md: its project loads, and its test passes; and mocks of what is elsewhere are held to the schemas."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.loading import load_registry
from runtime.registry import Registry
from runtime.settings import Settings
from runtime.testing import Outcome, Suite, find
from tests.docs.pages import blocks


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for block in blocks("docs/foreign-names.md"):
        if block.info:
            (tmp_path / block.info).write_text(block.text)
    return tmp_path


def outcome(project: Path) -> Outcome:
    suite = Suite(Registry.load(project / "registry.yaml", environ={}), find(project))
    [case] = suite.cases
    return suite.run(case)


def test_the_project_of_the_page_has_no_mistakes(project: Path) -> None:
    loaded = load_registry(Settings.read(registry=project / "registry.yaml", environ={}))
    assert [note.message for note in loaded.notes] == []


def test_its_test_passes(project: Path) -> None:
    assert outcome(project) == Outcome(outcome(project).case, True)


@pytest.mark.parametrize(
    ("instead", "by", "said"),
    [
        ("amount = 5", "amount = 'much'", "input of app:charge: at .amount: 'much' is not of type 'integer'"),
        ("{ number = asked.receipt }", "{ no = 1 }", "result of app:invoice: 'number' is a required property"),
        ('["app:charge"]', '["app:other"]', "app:charge runs elsewhere, as ChargeCard"),
    ],
)
def test_a_mock_in_test_start_is_held_to_the_schemas(project: Path, instead: str, by: str, said: str) -> None:
    path = project / "order_test.lua"
    text = path.read_text().replace("test.equal(run:result()", "test.equal(select(2, run:result()):message()")
    path.write_text(text.replace(instead, by).replace('{ number = "r-1" })', '"nothing")'))
    assert said in outcome(project).message
