"""docs/dependencies.md gives a reason for every dependency, and for nothing else."""

from __future__ import annotations

import re
import tomllib

from tests.docs.pages import ROOT

_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
_TEXT = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")


def named(requirements: list[str]) -> list[str]:
    return sorted(re.split(r"[<>=!~\[; ]", requirement, maxsplit=1)[0].lower() for requirement in requirements)


def in_section(heading: str) -> list[str]:
    """The names in the first column of the section's table."""
    [section] = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", _TEXT, re.MULTILINE | re.DOTALL)
    return sorted(name.lower() for name in re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))


def test_runtime_dependencies() -> None:
    assert in_section("To run") == named(_PROJECT["dependencies"])


def test_development_dependencies() -> None:
    extras, wanted = _PROJECT["optional-dependencies"], in_section("Where they are wanted")
    assert wanted == sorted(name for extra in extras if extra != "dev" for name in named(extras[extra]))
    assert sorted([*in_section("To develop"), *wanted]) == named(extras["dev"])


def test_what_was_not_taken_is_not_there() -> None:
    everything = {*named(_PROJECT["dependencies"]), *named(_PROJECT["optional-dependencies"]["dev"])}
    assert everything.isdisjoint(in_section("Considered, and not taken"))
