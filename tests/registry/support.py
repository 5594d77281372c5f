"""Definition files on disk, written by the tests that read them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from runtime.registry import Problem, Registry, RegistryError

MAIN = "registry.yaml"


class Files:
    """A directory of definition files and scripts. Texts are dedented; the definition file is `MAIN` unless it is said."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, files: Mapping[str, str]) -> Path:
        """Writes files and returns the path of the first."""
        for name, text in files.items():
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return self.directory / next(iter(files))

    def load(
        self,
        text: str,
        files: Mapping[str, str] | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        overrides: Sequence[str] = (),
    ) -> Registry:
        path = self.write({MAIN: text, **(files or {})})
        return Registry.load(path, environ=environ or {}, overrides=overrides)

    def problems(
        self,
        text: str,
        files: Mapping[str, str] | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        overrides: Sequence[str] = (),
    ) -> list[Problem]:
        """What is wrong with files that do not load."""
        with pytest.raises(RegistryError) as raised:
            self.load(text, files, environ=environ, overrides=overrides)
        return list(raised.value.problems)

    def problem(self, text: str, files: Mapping[str, str] | None = None, *, overrides: Sequence[str] = ()) -> Problem:
        """The one thing wrong with them."""
        [problem] = self.problems(text, files, overrides=overrides)
        return problem
