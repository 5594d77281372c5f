"""The replacement of fields at launch: ``-o ns:entry:path=value`` and the `override` of a file. The command line wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runtime.registry import yamlfile
from runtime.registry.drafts import Draft
from runtime.registry.files import Override
from runtime.registry.problems import DOCS, Problem, did_you_mean

COMMAND_LINE = "--override"
_FORM = "write namespace:entry:path=value"


def parse(texts: Sequence[str]) -> tuple[list[Override], list[Problem]]:
    overrides, problems = [], []
    for text in texts:
        target, equals, value = text.partition("=")
        try:
            if not equals:
                raise ValueError("has no value")
            overrides.append(Override(target.strip(), yamlfile.read_value(value), COMMAND_LINE, 0))
        except ValueError as error:
            problems.append(Problem(COMMAND_LINE, 0, None, f'override "{target}": {error}', _FORM, DOCS))
    return overrides, problems


def apply(overrides: Sequence[Override], drafts: Mapping[str, Draft]) -> list[Problem]:
    """Replaces fields of the drafts, in order. A path names keys with dots between; a key may itself hold dots."""
    problems = []
    for override in overrides:
        namespace, _, rest = override.target.partition(":")
        name, _, path = rest.partition(":")
        message, hint = None, None
        draft = drafts.get(f"{namespace}:{name}")
        if not path:
            message, hint = "names no field", _FORM
        elif draft is None:
            message, hint = f"no entry {namespace}:{name}", did_you_mean(f"{namespace}:{name}", drafts)
        elif path in ("name", "kind"):
            message = f"{path} cannot be replaced"
        elif not _set(draft, path, override):
            message = f"{path} is not inside a mapping or a list"
        if message:
            problem = Problem(
                override.file, override.line, None, f'override "{override.target}": {message}', hint, DOCS
            )
            problems.append(problem)
    return problems


def _set(draft: Draft, path: str, override: Override) -> bool:
    target: Any = draft.data
    parts = path.split(".")
    steps: list[str | int] = []
    while True:
        step, used = _step(target, parts)
        if step is None:
            return False
        steps.append(step)
        parts = parts[used:]
        if not parts:
            break
        if isinstance(target, dict) and target.get(str(step)) is None:
            target[str(step)] = {}
        target = target[step]
    target[step] = override.value
    draft.replaced[tuple(steps)] = (override.file, override.line)
    return True


def _step(target: object, parts: list[str]) -> tuple[str | int | None, int]:
    """The next key and how many parts it took: the longest run of parts that is a key, else one part."""
    if isinstance(target, dict):
        for count in range(len(parts), 0, -1):
            if ".".join(parts[:count]) in target:
                return ".".join(parts[:count]), count
        return parts[0], 1
    if isinstance(target, list) and parts[0].isdecimal() and int(parts[0]) < len(target):
        return int(parts[0]), 1
    return None, 0
