"""The loader, which turns definition files into entries and collects every mistake in them. Each stage goes on over what the one before could make sense of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.registry import crosschecks, files, overrides, references, sources, validation
from runtime.registry.drafts import Draft, check_placeholders
from runtime.registry.kinds import KINDS
from runtime.registry.models import Entry
from runtime.registry.problems import Problem, did_you_mean

#: Kinds that say where runs live.
_PLACES = ("temporal.client", "temporal.worker")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The result of a load. `entries` has all that could be built, also when there are problems. `files` are the definition files read.
    `placed`: no mistake concerns where runs live, so that every client and worker is what its author wrote.
    """

    entries: Mapping[str, Entry]
    problems: Sequence[Problem]
    files: Sequence[Path]
    placed: bool


def load(
    path: Path, environ: Mapping[str, str], override: Sequence[str], here: Callable[[Path], Path] | None = None
) -> Loaded:
    """Reads the set at `path`. Never raises for a mistake in it. `here` is as in `files.read`."""
    found = files.read(path, here)
    drafts = _named(found.drafts)
    launch, problems = overrides.parse(override)
    problems += found.problems
    problems += overrides.apply([*found.overrides, *launch], drafts)
    for draft in found.drafts:
        _recognise(draft)
    entries = _build(found.drafts, drafts, environ)
    crosschecks.check(entries, drafts)
    placed = not any(problem.severity == "error" for problem in problems)
    for draft in found.drafts:
        problems += draft.problems
        placed = placed and not (draft.is_wrong and _may_be_a_place(draft))
    return Loaded(entries, problems, found.files, placed)


def _build(all_drafts: Iterable[Draft], drafts: Mapping[str, Draft], environ: Mapping[str, str]) -> dict[str, Entry]:
    """Entries by id. Those that take no part, for want of a name or an id of their own, are checked all the same."""
    entries = {}
    for draft in all_drafts:
        if draft.model is None:
            continue
        check_placeholders(draft)
        references.settle(draft, drafts, environ)
        sources.fetch(draft, environ)
        entry = validation.build(draft)
        if entry is not None and drafts.get(draft.id) is draft:
            entries[draft.id] = entry
    return entries


def _named(drafts: Iterable[Draft]) -> dict[str, Draft]:
    """Drafts by id; the first of two with one id stays."""
    named: dict[str, Draft] = {}
    for draft in drafts:
        name = draft.data.get("name")
        if name is None:
            draft.complain((), 'missing field "name"')
        elif not isinstance(name, str) or not NAME.fullmatch(name):
            draft.complain(("name",), f"{name!r} is not a name", "letters, digits, _, - and dots")
        else:
            draft.name = name
            first = named.setdefault(draft.id, draft)
            if first is not draft:
                there = "{}:{}".format(*first.where(()))
                draft.complain(("name",), f"{draft.id} is defined twice", f"the first is at {there}")
    return named


def _may_be_a_place(draft: Draft) -> bool:
    """One of no known kind may have been meant as such."""
    return draft.kind in _PLACES or draft.model is None


def _recognise(draft: Draft) -> None:
    kind = draft.data.get("kind")
    if kind is None:
        draft.complain((), 'missing field "kind"')
    elif not isinstance(kind, str):
        draft.complain(("kind",), f"kind: expects text, not {kind!r}")
    elif kind in KINDS:
        draft.kind, draft.model = kind, KINDS[kind]
    else:
        draft.kind = kind
        draft.complain(("kind",), f'unknown kind "{kind}"', _meant(kind))


def _meant(kind: str) -> str:
    """A hint for a kind that there is not: one that is written alike, or those that share a word with it, or all."""
    near = did_you_mean(kind, list(KINDS))
    words = set(kind.lower().split("."))
    alike = [known for known in KINDS if words & set(known.split("."))]
    return near or (
        f"did you mean {' or '.join(alike)}?" if 0 < len(alike) <= 4 else f"kinds are {', '.join(sorted(KINDS))}"
    )
