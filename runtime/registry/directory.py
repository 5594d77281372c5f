"""The definition files of a directory: every YAML and JSON file below it that is one, as a parser sees it, and why each of the others is none."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runtime.registry.yamlfile import Document

SUFFIXES = (".yaml", ".yml", ".json")
#: Places of other tools, which may hold a great many such files.
_OTHERS = frozenset({"node_modules", "__pycache__"})
#: A file without any of these words is no definition file, and need not be parsed.
_WORDS = re.compile("namespace|entries")
#: How a file begins, or has in its first column, that is meant as one although it cannot be parsed.
_MEANT = re.compile(r"""\A(?:\s|\#.*\n)*\{?\s*["']?namespace["']?\s*:|^namespace\s*:""", re.MULTILINE)
_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)


def below(path: Path) -> Iterator[Path]:
    """The files that may be definition files, in order."""
    for directory, names, found in os.walk(path):
        names[:] = sorted(name for name in names if not name.startswith(".") and name not in _OTHERS)
        for name in sorted(found):
            if name.endswith(SUFFIXES):
                yield Path(directory, name)


def may_define(text: str) -> bool:
    return _WORDS.search(text) is not None


def why_foreign(text: str, document: Document) -> str | None:
    """Why a file that was read is no definition file; None when it is one, or was meant as one."""
    value = document.value
    if value is None and document.faults:
        return None if _MEANT.search(text) else f"it is {document.faults[0].message}"
    if not isinstance(value, dict):
        return "it is no mapping"
    if "namespace" in value or _has_entries(value):
        return None
    return f"it is {document.faults[0].message}" if document.faults else "it has no namespace"


def as_yaml(text: str) -> str:
    """JSON text as a parser of YAML reads it: indented by spaces, and characters beyond U+FFFF not as two escapes."""

    def whole(found: re.Match[str]) -> str:
        pair = bytes.fromhex(found[2] + found[3]).decode("utf-16-be")
        return found[1] + pair

    return _PAIR.sub(whole, text.replace("\t", " "))


def _has_entries(head: dict[str, Any]) -> bool:
    entries = head.get("entries")
    return isinstance(entries, list) and any(isinstance(entry, dict) and "kind" in entry for entry in entries)
