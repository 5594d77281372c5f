"""An entry between its file and its model: plain values that know where each of them was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtime.registry import placeholders
from runtime.registry.models import Entry, Place
from runtime.registry.problems import DOCS, Problem, page_of
from runtime.registry.yamlfile import Document, Steps


@dataclass(slots=True)
class Draft:
    """An entry as its file has it. `data` is its mapping, rewritten in place as the load goes on; `path` is where it is in its document."""

    place: Place
    data: dict[str, Any]
    document: Document
    path: Steps
    name: str = ""
    kind: str = ""
    model: type[Entry] | None = None
    #: Fields that an override replaced, and where the override is.
    replaced: dict[Steps, tuple[Path | str, int]] = field(default_factory=dict)
    #: Objects made from text fields (sources), by field.
    made: dict[str, object] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"{self.place.namespace}:{self.name}"

    @property
    def is_wrong(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)

    def where(self, steps: Steps) -> tuple[Path | str, int]:
        for length in range(len(steps), 0, -1):
            if steps[:length] in self.replaced:
                return self.replaced[steps[:length]]
        return self.place.file, self.document.line((*self.path, *steps))

    def complain(self, steps: Steps, message: str, hint: str | None = None) -> None:
        """Records a mistake in the field at `steps`."""
        file, line = self.where(steps)
        docs = page_of(self.kind) if self.model else DOCS
        self.problems.append(Problem(file, line, self.id if self.name else None, message, hint, docs))

    def note(self, steps: Steps, message: str) -> None:
        """Records what is no mistake, but is not what its author may think."""
        file, line = self.where(steps)
        self.problems.append(Problem(file, line, self.id, message, None, page_of(self.kind), "note"))


def spell(steps: Steps) -> str:
    """A path as people write it: ``worker_options.pollers``, ``modules[2]``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".")


def dig(data: object, steps: Steps) -> Any:
    """The value at `steps`, or None."""
    for step in steps:
        if isinstance(data, Mapping) or (isinstance(data, list) and isinstance(step, int) and step < len(data)):
            data = data.get(step) if isinstance(data, Mapping) else data[int(step)]
        else:
            return None
    return data


def put(data: Any, steps: Steps, value: object) -> None:
    """Replaces the value at `steps`, which exists."""
    dig(data, steps[:-1])[steps[-1]] = value


def places(data: object, pattern: tuple[str, ...]) -> Iterator[Steps]:
    """The paths in `data` that match `pattern`, in which ``*`` stands for every key or index."""
    if not pattern:
        yield ()
        return
    keys: list[str | int] = []
    if pattern[0] == "*":
        keys = list(data) if isinstance(data, Mapping) else list(range(len(data))) if isinstance(data, list) else []
    elif isinstance(data, Mapping) and pattern[0] in data:
        keys = [pattern[0]]
    for key in keys:
        for rest in places(dig(data, (key,)), pattern[1:]):
            yield (key, *rest)


def texts(data: object, steps: Steps = ()) -> Iterator[tuple[Steps, str]]:
    """Every text in `data`, with its path."""
    if isinstance(data, str):
        yield steps, data
    elif isinstance(data, Mapping):
        for key, item in data.items():
            yield from texts(item, (*steps, key))
    elif isinstance(data, list):
        for index, item in enumerate(data):
            yield from texts(item, (*steps, index))


def check_placeholders(draft: Draft) -> None:
    for steps, text in texts(draft.data):
        if placeholders.malformed(text):
            draft.complain(
                steps,
                f"{spell(steps)}: a placeholder that does not end",
                'write "${env:NAME}" or "${env:NAME|default}"',
            )
        elif steps in (("name",), ("kind",)) and placeholders.is_in(text):
            draft.complain(steps, f"{spell(steps)} cannot hold a placeholder")
