"""The reader of definition files: it finds them, reads their heads, and makes drafts of the entries they hold."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runtime.registry import directory, yamlfile
from runtime.registry.drafts import Draft
from runtime.registry.models import Place
from runtime.registry.problems import DOCS, Problem, did_you_mean
from runtime.registry.yamlfile import Document

MAX_BYTES = 8 * 1024**2
FILE_FIELDS = ("version", "namespace", "root", "include", "override", "entries")
NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
#: Of so many files it is said one by one that they are passed over.
MAX_NOTES = 20


@dataclass(frozen=True, slots=True)
class Override:
    """The replacement of a field. `target` is ``ns:entry:path``."""

    target: str
    value: Any
    file: Path | str
    line: int


@dataclass(slots=True)
class ReadFiles:
    """The files, heads and drafts that were read, in the order of reading."""

    drafts: list[Draft] = field(default_factory=list)
    overrides: list[Override] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def read(path: Path, here: Callable[[Path], Path] | None = None) -> ReadFiles:
    """The files of a registry: one file and what it includes, or every definition file below a directory.

    `here` is for files that came from elsewhere: it says which path of this machine one of theirs stands for.
    """
    files = ReadFiles()
    reader = _FileReader(files, here)
    if path.is_dir():
        for found in directory.below(path):
            reader.read(found, must_define=False)
        reader.tell_foreign(path)
        if not files.files:
            message = "no *.yaml, *.yml or *.json below this directory has a namespace"
            files.problems.append(Problem(path, 0, None, message, None, DOCS))
    elif path.is_file():
        reader.read(path, must_define=True)
    else:
        known = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        files.problems.append(Problem(path, 0, None, "no such file", did_you_mean(path.name, known), DOCS))
    return files


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a path the system cannot have: too long, or with a zero byte
        return False


class _FileReader:
    def __init__(self, files: ReadFiles, here: Callable[[Path], Path] | None) -> None:
        self._files = files
        self.here = here
        self._seen: set[Path] = set()
        self._foreign: list[tuple[Path, str]] = []

    def read(self, path: Path, *, must_define: bool) -> None:
        """Reads a file once. Without `must_define`, one that is no definition file is passed over."""
        if path.resolve() in self._seen:
            return
        self._seen.add(path.resolve())
        text = self._text(path, must_define=must_define)
        if text is None:
            return
        if not must_define and not directory.may_define(text):
            self._foreign.append((path, "it has no namespace"))
            return
        document = yamlfile.read(directory.as_yaml(text) if path.name.endswith(".json") else text)
        why = None if must_define else directory.why_foreign(text, document)
        if why is not None:
            self._foreign.append((path, why))
            return
        self._files.files.append(path)
        for fault in document.faults:
            self.complain(path, fault.line, fault.message, fault.hint)
        if isinstance(document.value, dict):
            _File(self, path, document).read()
        elif not document.faults:
            self.complain(path, 1, "a definition file is a mapping with a namespace and entries")

    def tell_foreign(self, place: Path) -> None:
        """Notes of the files that were passed over."""
        for path, why in self._foreign[:MAX_NOTES]:
            self._note(path, f"passed over, since {why}")
        more = len(self._foreign) - MAX_NOTES
        if more > 0:
            self._note(place, f"{more} more files are no definition files and were passed over")

    def _note(self, path: Path, message: str) -> None:
        self._files.problems.append(Problem(path, 0, None, message, None, DOCS, "note"))

    def include(self, path: Path, pattern: object, line: int) -> None:
        if not isinstance(pattern, str) or not pattern:
            self.complain(path, line, f"include takes file names or globs, not {pattern!r}")
            return
        try:
            found = sorted(found for found in path.parent.glob(pattern) if found.is_file())
        except (OSError, ValueError, NotImplementedError):
            self.complain(path, line, f'include "{pattern}" is not relative to this file')
            return
        if not found:
            names = [entry.name for entry in path.parent.iterdir() if entry.name.endswith(directory.SUFFIXES)]
            self.complain(path, line, f'include "{pattern}" matches no file', did_you_mean(pattern, names))
        for other in found:
            self.read(Path(os.path.normpath(other)), must_define=True)

    def _text(self, path: Path, *, must_define: bool) -> str | None:
        """None when there is none, which is said. Data of others is often in JSON, and may be of any size and encoding."""
        try:
            if path.stat().st_size <= MAX_BYTES:
                return path.read_text(encoding="utf-8-sig")
            why = f"larger than {MAX_BYTES // 1024**2} MiB"
        except UnicodeDecodeError:
            why = "not UTF-8 text"
        except OSError as error:
            self.complain(path, 0, f"cannot be read: {error.strerror}")
            return None
        if must_define or not path.name.endswith(".json"):
            self.complain(path, 0, why)
        else:
            self._foreign.append((path, f"it is {why}"))
        return None

    def complain(self, path: Path, line: int, message: str, hint: str | None = None) -> None:
        self._files.problems.append(Problem(path, line, None, message, hint, DOCS))

    @property
    def files(self) -> ReadFiles:
        return self._files


class _File:
    """One file whose top is a mapping."""

    def __init__(self, reader: _FileReader, path: Path, document: Document) -> None:
        self._reader = reader
        self._path = path
        self._document = document
        self._head: dict[str, Any] = document.value

    def read(self) -> None:
        single = "kind" in self._head
        self._check_head(single)
        place = self._place(single)
        for index, raw in enumerate(self._entries()):
            line = self._document.line(("entries", index))
            self._draft(place, raw, ("entries", index), line)
        if single:
            raw = {key: value for key, value in self._head.items() if key not in FILE_FIELDS}
            self._draft(place, raw, (), self._document.line(("kind",)))
        self._overrides()
        include = self._head.get("include")
        for index, pattern in enumerate(include if isinstance(include, list) else [include] if include else []):
            self._reader.include(self._path, pattern, self._document.line(("include", index)))

    def _check_head(self, single: bool) -> None:
        version = self._head.get("version", "1.0")
        if str(version) not in ("1.0", "1"):
            self._complain("version", f"version {version!r} is not supported", 'write version: "1.0"')
        if single:
            if "entries" in self._head:
                self._complain("entries", "a file has entries, or is one entry, not both")
            return
        for key in self._head:
            if key not in FILE_FIELDS and not key.startswith("x-"):
                self._complain(key, f'unknown field "{key}"', did_you_mean(key, FILE_FIELDS))
        if not any(key in self._head for key in ("entries", "include", "override")):
            self._complain("namespace", "the file has no entries")

    def _place(self, single: bool) -> Place:
        namespace = self._head.get("namespace")
        if namespace is None and (single or "entries" in self._head):
            self._complain("entries", "the file has no namespace", "write namespace: app at its top")
        elif namespace is not None and not (isinstance(namespace, str) and NAMESPACE.fullmatch(namespace)):
            self._complain("namespace", f"namespace {namespace!r} is not a name", "letters, digits, _, - and dots")
        root = self._head.get("root", ".")
        base = self._path.parent / (root if isinstance(root, str) else ".")
        if not isinstance(root, str) or not _is_directory(base):
            self._complain("root", f"root {root!r} is not a directory", "it is relative to this file")
            base = self._path.parent
        base = Path(os.path.normpath(base))
        here = self._reader.here
        if here is None:
            return Place(self._path, 1, str(namespace or ""), base)
        return Place(here(self._path), 1, str(namespace or ""), here(base), base)

    def _entries(self) -> list[Any]:
        entries = self._head.get("entries")
        if entries is None or isinstance(entries, list):
            return entries or []
        self._complain("entries", "entries is a list", 'each entry starts with "- name:"')
        return []

    def _draft(self, place: Place, raw: Any, path: yamlfile.Steps, line: int) -> None:
        if not isinstance(raw, dict):
            self._reader.complain(self._path, line, "an entry is a mapping with a name and a kind")
            return
        there = replace(place, line=line)
        self._reader.files.drafts.append(Draft(there, raw, self._document, path))

    def _overrides(self) -> None:
        overrides = self._head.get("override")
        if overrides is not None and not isinstance(overrides, dict):
            self._complain("override", 'override maps "namespace:entry:path" to a value')
            return
        for target, value in (overrides or {}).items():
            line = self._document.line(("override", target))
            self._reader.files.overrides.append(Override(target, value, self._path, line))

    def _complain(self, key: str, message: str, hint: str | None = None) -> None:
        self._reader.complain(self._path, self._document.line((key,)), message, hint)
