"""The files of a registry as one object, to be shipped: definition files and scripts, by path below their common directory.

Host code is not among them: a `function.py` is trusted Python of the machine it runs on, and so are files that entries name by path
(certificates, directories of static files, databases). Where a set is used, those are looked for around the local registry, as ever.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from runtime.errors import invalid
from runtime.registry.bundles import canonical, sha256
from runtime.registry.kinds import FunctionPy
from runtime.registry.kinds.lua import LuaEntry
from runtime.registry.registry import Registry

FORMAT = 1


@dataclass(frozen=True)
class FileSet:
    """The files of a registry. `registry` is the path of the definition file (or directory) among `files`; `roots` are directories that entries have as theirs."""

    registry: str
    files: Mapping[str, str]
    roots: Sequence[str]

    @classmethod
    def of(cls, registry: Registry) -> FileSet:
        """The files that a loaded registry was made of. Raises `Error` INVALID when they have changed since, or cannot be read."""
        texts: dict[Path, str] = {}
        for path in registry.files:
            try:
                texts[_absolute(path)] = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise invalid(f"{path} cannot be read: {error}") from None
        for entry in registry.of_kind(LuaEntry):
            texts[_absolute(entry.source.path)] = entry.source.text
        roots = {_absolute(entry.root) for entry in registry.entries.values()}
        place = _absolute(registry.path)
        base = Path(
            os.path.commonpath([*(path.parent for path in texts), *roots, place if place.is_dir() else place.parent])
        )
        return cls(
            registry=_below(place, base),
            files={_below(path, base): text for path, text in sorted(texts.items())},
            roots=sorted(_below(root, base) for root in roots),
        )

    @classmethod
    def read(cls, data: bytes) -> FileSet:
        """The inverse of `data`. Raises `Error` INVALID for a form this version does not know, and for paths that lead elsewhere."""
        try:
            document = json.loads(data)
            if document["format"] != FORMAT:
                raise invalid(f"files of format {document['format']!r} need another version of Evermoon")
            found = cls(document["registry"], dict(document["files"]), list(document["roots"]))
        except (ValueError, KeyError, TypeError) as error:
            raise invalid(f"this is no set of files: {error!r}") from None
        for name in (found.registry, *found.files, *found.roots):
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts:
                raise invalid(f"a set of files names {name}, which is not below it")
        return found

    @cached_property
    def data(self) -> bytes:
        """The stored form: canonical JSON."""
        return canonical(
            {"format": FORMAT, "registry": self.registry, "files": dict(self.files), "roots": list(self.roots)}
        )

    @cached_property
    def hash(self) -> str:
        return sha256(self.data)

    @contextmanager
    def laid_out(self, local: Path) -> Iterator[LaidOut]:
        """The files on disk, for a registry to be loaded from, while the context lasts. `local` is the registry of this machine."""
        with tempfile.TemporaryDirectory(prefix="evermoon-files-") as name:
            base = Path(name).resolve()
            for root in self.roots:
                (base / root).mkdir(parents=True, exist_ok=True)
            for path, text in self.files.items():
                file = base / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            depth = len(PurePosixPath(self.registry).parts)
            here = _absolute(local)
            yield LaidOut(
                base / self.registry, base, here.parents[depth - 1] if 0 < depth <= len(here.parents) else here
            )


@dataclass(frozen=True, slots=True)
class LaidOut:
    """The place where a set is laid out, and the directory of this machine that its `base` stands for."""

    registry: Path
    base: Path
    local: Path

    def here(self, path: Path) -> Path:
        """The place on this machine that a path of the set stands for."""
        return self.local / path.relative_to(self.base) if path.is_relative_to(self.base) else path


def host_code(registry: Registry) -> list[tuple[str, str]]:
    """The functions that are Python of the host and so are not shipped: entry id and source, in order."""
    return [(entry.id, f"{entry.source.module}:{entry.source.callable}") for entry in registry.of_kind(FunctionPy)]


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - not `resolve`: links stay what they are


def _below(path: Path, base: Path) -> str:
    return path.relative_to(base).as_posix()
