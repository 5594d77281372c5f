"""Small projects with tests in Lua, and what becomes of these."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

from runtime.registry import Registry
from runtime.testing import Outcome, Suite, find
from tests.definitions import with_worker

HEAD = with_worker(queue="depot")


class Project:
    """A project in `directory`: files by name, of which registry.yaml is made of `HEAD` and `entries`. `lines` is what was written in its tests."""

    def __init__(self, directory: Path, entries: str, files: Mapping[str, str]) -> None:
        self.directory = directory
        self.lines: list[str] = []
        (directory / "registry.yaml").write_text(HEAD + entries)
        for name, text in files.items():
            (directory / name).write_text(dedent(text))

    def suite(self) -> Suite:
        registry = Registry.load(self.directory / "registry.yaml", environ={})
        return Suite(registry, find(self.directory), log=self._log)

    def outcomes(self) -> dict[str, Outcome]:
        """By the names of the tests, without those of their groups."""
        suite = self.suite()
        return {case.name.rpartition(" / ")[2]: suite.run(case) for case in suite.cases}

    def passes(self) -> None:
        failed = [f"{name}: {outcome.message}" for name, outcome in self.outcomes().items() if not outcome.ok]
        assert not failed, "\n".join(failed)

    def _log(self, _level: str, message: str, about: Mapping[str, Any], /) -> None:
        self.lines.append(f"{about['at']}: {message}")


def written(directory: Path, test: str, entries: str, **files: str) -> Project:
    """A project with one file of tests, whose cases are `test`; the keyword names a file, with _ for the dot: `trip_lua`."""
    body = f'local test = require("test")\nreturn test.describe("all", function()\n{dedent(test)}\nend)\n'
    named = {name[::-1].replace("_", ".", 1)[::-1]: text for name, text in files.items()}
    return Project(directory, entries, {**named, "all_test.lua": body})
