"""The placeholders ``${env:NAME}``, ``${env:NAME|default}`` and the literal ``$${`` inside any string of a definition file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TOKEN = re.compile(r"\$\$\{|\$\{env:([A-Za-z_][A-Za-z0-9_]*)(?:\|([^{}]*))?\}")
_MALFORMED = re.compile(r"\$\{env:")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")

Steps = tuple[str | int, ...]


class Unresolved(Exception):
    """The error of a placeholder that has no value that fits. `field` is its path; the message never holds a value from the environment."""

    def __init__(self, field: Steps, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def is_in(value: object) -> bool:
    """Whether a value, at any depth, has text that `resolve` would change."""
    if isinstance(value, str):
        return _TOKEN.search(value) is not None
    if isinstance(value, Mapping):
        return any(is_in(item) for item in value.values())
    return isinstance(value, list | tuple) and any(is_in(item) for item in value)


def variables(text: str) -> list[str]:
    """The names of the environment variables that a text has placeholders for."""
    return [match[1] for match in _TOKEN.finditer(text) if match[1]]


def malformed(text: str) -> bool:
    """Whether a text starts a placeholder that it does not finish."""
    return _MALFORMED.search(_TOKEN.sub("", text)) is not None


def resolve(value: Any, environ: Mapping[str, str], field: Steps = ()) -> Any:
    """`value` with every placeholder replaced; what is neither text, mapping nor list is passed on as it is.

    A text that is one placeholder takes the type of its default (number, boolean or text). Raises `Unresolved`.
    """
    if isinstance(value, str):
        return _resolve(value, environ, field)
    if isinstance(value, Mapping):
        return {key: resolve(item, environ, (*field, key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(item, environ, (*field, index)) for index, item in enumerate(value)]
    return value


def defaults(value: Any) -> Any:
    """`value` with the placeholders that have a default replaced by it, and the others left as text."""
    if isinstance(value, str):
        match = _TOKEN.fullmatch(value)
        if match and match[2] is not None:
            return typed(match[2])
        return value
    if isinstance(value, Mapping):
        return {key: defaults(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [defaults(item) for item in value]
    return value


def _resolve(text: str, environ: Mapping[str, str], field: Steps) -> Any:
    whole = _TOKEN.fullmatch(text)
    if whole and whole[1] and whole[2] is not None:
        default = typed(whole[2])
        found = environ.get(whole[1])
        return default if found is None else _like(default, found, whole[1], field)

    return resolve_text(text, environ, field)


def resolve_text(text: str, environ: Mapping[str, str], field: Steps = ()) -> str:
    """Like `resolve`, and always text."""

    def replace(match: re.Match[str]) -> str:
        if not match[1]:
            return "${"
        found = environ.get(match[1], match[2])
        if found is None:
            raise Unresolved(field, f"the environment variable {match[1]} is not set")
        return found

    return _TOKEN.sub(replace, text)


def typed(text: str) -> int | float | bool | str:
    """A default as the number or boolean it spells, else as text."""
    if text in ("true", "false"):
        return text == "true"
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


def _like(default: object, found: str, variable: str, field: Steps) -> object:
    if isinstance(default, str):
        return found
    value = typed(found.strip().lower() if isinstance(default, bool) else found.strip())
    if isinstance(default, bool) == isinstance(value, bool) and not isinstance(value, str):
        return value
    kind = "true or false" if isinstance(default, bool) else "a number"
    raise Unresolved(field, f"the environment variable {variable} must hold {kind}, as the default does")
