"""The problems of a set of definition files, in the form from which a person mends them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runtime.errors import INVALID, Error

MAX_LENGTH = 1000
DOCS = "evermoon docs registry"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `line` counts from 1; 0 means the file as a whole.

    Only an error stops the load; what is a problem stops `check` and `deploy` too, since it is one for certain, but not in every run.
    """

    file: Path | str
    line: int
    entry_id: str | None
    message: str
    hint: str | None = None
    docs: str | None = None
    severity: Literal["error", "problem", "note"] = "error"

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else str(self.file)
        entry = f" {self.entry_id}:" if self.entry_id else ""
        text = f"{where}:{entry} {'note: ' if self.severity == 'note' else ''}{self.message}"
        if self.hint:
            text += f"; {self.hint}"
        if self.docs:
            text += f" (see {self.docs})"
        return _printable(text)

    @property
    def sort_key(self) -> tuple[str, int, str, str]:
        return (str(self.file), self.line, self.entry_id or "", self.message)


def _printable(text: str) -> str:
    """One line that a terminal takes as text: what files hold may be long, and hold control characters."""
    cut = text if len(text) <= MAX_LENGTH else text[:MAX_LENGTH] + "…"
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in cut)


class RegistryError(Error):
    """The error of definition files that hold mistakes. It has all of them, sorted by file and line, notes included, which its text leaves out."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = tuple(in_order(problems))
        count = sum(problem.severity != "note" for problem in self.problems)
        head = f"the registry has {count} problem{'' if count == 1 else 's'}"
        told = [str(problem) for problem in self.problems if problem.severity != "note"]
        super().__init__(INVALID, "\n".join([head, *told]), retryable=False)


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Each problem once, by file, then line."""
    return sorted(set(problems), key=lambda problem: problem.sort_key)


def page_of(kind: str) -> str:
    """The page of a kind."""
    return f"evermoon docs kinds/{kind}"


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A hint naming the known word that is closest to `word`, if one is close."""
    close = closest(word, known)
    return f'did you mean "{close}"?' if close else None


def closest(word: str, known: Iterable[str]) -> str | None:
    by_folded = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None
