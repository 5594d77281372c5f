"""Test files: Lua sources that return ``test.describe(...)``, and the registry in which they can run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runtime.errors import invalid
from runtime.registry import Entry, FunctionLua, LibraryLua, Registry, WorkflowLua
from runtime.registry.models import Place, SourceFile

#: Namespace of the entries that are made for test files, and of the library they import as `test`.
NAMESPACE = "evermoon.test"
HOSTS = ("virtual", "temporal", "process")
SUFFIX = "_test.lua"

_LIBRARY = Path(__file__).parent / "lua" / "test.lua"
_DIRECTIVE = re.compile(r"^--\s*(modules|imports|hosts):\s*(.*?)\s*$")


@dataclass(frozen=True, slots=True)
class LuaFile:
    """One test file, and what its leading comment lines say: ``-- modules: a b``, ``-- imports: alias=ns:name``, ``-- hosts: virtual``."""

    source: SourceFile
    root: Path
    modules: tuple[str, ...] = ()
    imports: dict[str, str] = field(default_factory=dict, hash=False)
    hosts: tuple[str, ...] = ("virtual",)

    @property
    def id(self) -> str:
        return f"{NAMESPACE}:{self.name}"

    @property
    def name(self) -> str:
        return re.sub(r"[^\w.-]", "_", self.source.name.removesuffix(".lua").replace("/", "."))


def find(path: Path) -> list[LuaFile]:
    """As `below`. Raises `Error` INVALID when there is none."""
    found = below(path)
    if not found:
        raise invalid(f"{path}: no file named *{SUFFIX}")
    return found


def below(path: Path) -> list[LuaFile]:
    """The test file at `path`, or every ``*_test.lua`` below it. Raises `Error` INVALID for one that cannot be read."""
    if path.is_file():
        return [_read(path, path.parent)]
    files = sorted(file for file in path.rglob(f"*{SUFFIX}") if file.is_file())
    return [_read(file, path) for file in files if not _hidden(file.relative_to(path))]


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _read(path: Path, root: Path) -> LuaFile:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise invalid(f"{path}: {error}") from None
    said = _directives(text)
    hosts = tuple(said.get("hosts", "virtual").split())
    unknown = [host for host in hosts if host not in HOSTS]
    if unknown:
        raise invalid(f"{path}: unknown host '{unknown[0]}' (known: {', '.join(HOSTS)})")
    source = SourceFile(path, path.relative_to(root).as_posix(), text)
    return LuaFile(source, root, tuple(said.get("modules", "").split()), _imports(path, said.get("imports", "")), hosts)


def _directives(text: str) -> dict[str, str]:
    """Of the comment lines a file begins with; a directive given twice adds up."""
    said: dict[str, str] = {}
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        match = _DIRECTIVE.match(line)
        if match:
            said[match[1]] = f"{said.get(match[1], '')} {match[2]}".strip()
    return said


def _imports(path: Path, text: str) -> dict[str, str]:
    imports = {}
    for item in text.split():
        alias, equals, target = item.partition("=")
        if not (alias and equals and ":" in target):
            raise invalid(f"{path}: '{item}' is no import: expected alias=namespace:name")
        imports[alias] = target
    return imports


def with_tests(
    registry: Registry, files: Sequence[LuaFile], *, as_functions: bool = False, worker: str = ""
) -> Registry:
    """`registry` and, beside its entries, the test files: as workflows of `worker`, or as functions.

    Raises `Error` NOT_FOUND for an import that the registry lacks.
    """
    entries: dict[str, Entry] = dict(registry.entries)
    library = _library()
    entries[library.id] = library
    for file in files:
        for target in file.imports.values():
            registry[target]
        entry = _entry(file, library.id, as_functions, worker)
        entries[entry.id] = entry
    return Registry(registry.path, entries, environ=registry.environ, files=registry.files)


def _library() -> LibraryLua:
    source = SourceFile(_LIBRARY, _LIBRARY.name, _LIBRARY.read_text(encoding="utf-8"))
    place = Place(_LIBRARY, 1, NAMESPACE, _LIBRARY.parent)
    return LibraryLua.model_validate(
        {"name": "test", "kind": "library.lua", "source": source, "modules": ["json", "funcs", "time"], "place": place}
    )


def _entry(file: LuaFile, library: str, as_function: bool, worker: str) -> Entry:
    model = FunctionLua if as_function else WorkflowLua
    fields = {
        "name": file.name,
        "kind": model.KIND,
        "source": file.source,
        "modules": file.modules,
        "imports": {"test": library, **file.imports},
        "place": Place(file.source.path, 1, NAMESPACE, file.root),
    }
    if worker and not as_function:
        fields["workflow"] = {"worker": worker}
    return model.model_validate(fields)
