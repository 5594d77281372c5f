"""The code that an entry names: ``file://path`` below its root, read here; ``py://module:callable``, found but not imported."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from runtime.registry import placeholders
from runtime.registry.drafts import Draft
from runtime.registry.kinds.lua import LuaEntry
from runtime.registry.kinds.python import FunctionPy, PythonSource, module_file
from runtime.registry.models import Place, SourceFile
from runtime.registry.problems import closest, did_you_mean

MAX_BYTES = 4 * 1024**2
#: How many files are considered for a did-you-mean.
MAX_CANDIDATES = 1000
_CALLABLE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


class _Refused(Exception):
    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def fetch(draft: Draft, environ: Mapping[str, str]) -> None:
    """Replaces the text of a `source` field by what it names; a source that is not there is a problem of the draft."""
    text = draft.data.get("source")
    if draft.model is None or not isinstance(text, str):
        return
    try:
        text = placeholders.resolve_text(text, environ)
        if issubclass(draft.model, LuaEntry):
            draft.made["source"] = _lua(text, draft.place)
        elif issubclass(draft.model, FunctionPy):
            draft.made["source"] = _callable(text, draft.place.root)
    except (OSError, ValueError):  # a path the system cannot have: too long, or with a zero byte
        draft.complain(("source",), f'source: "{text[:60]}" is not the name of a file')
    except (_Refused, placeholders.Unresolved) as error:
        draft.complain(("source",), f"source: {error.message}", getattr(error, "hint", None))


def _lua(text: str, place: Place) -> SourceFile:
    if place.shipped is None:
        return _file(text, place.root)
    found = _file(text, place.shipped)
    return replace(found, path=place.root / found.name)


def _file(text: str, root: Path) -> SourceFile:
    if not text.startswith("file://"):
        raise _Refused(f'"{text}" is not a file', f'write "file://{text.rpartition("://")[2]}"')
    relative = text.removeprefix("file://")
    path = Path(os.path.normpath(root / relative))
    if not path.is_relative_to(root):
        raise _Refused(f'"{relative}" leaves the root', "a source is below the file's root, or the file itself")
    if not path.resolve().is_relative_to(root.resolve()):
        raise _Refused(f'"{relative}" leaves the root', "a source is below the file's root, or the file itself")
    if not path.is_file():
        raise _Refused(f'no file "{relative}" below the root', _meant(relative, _nearby(path, root)))
    return SourceFile(path, path.relative_to(root).as_posix(), _read(path, relative))


def _read(path: Path, shown: str) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _Refused(f'"{shown}" is larger than {MAX_BYTES // 1024**2} MiB')
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Refused(f'"{shown}" is not UTF-8 text') from error
    except OSError as error:
        raise _Refused(f'"{shown}" cannot be read: {error.strerror}') from error


def _meant(relative: str, known: list[str]) -> str | None:
    """A file of the same name elsewhere, or one of a similar name; endings do not count, for all have the same."""
    same = [name for name in known if Path(name).name == Path(relative).name]
    stems = {_stem(name): name for name in known}
    near = closest(_stem(relative), stems)
    found = same[0] if same else stems[near] if near else None
    return f'did you mean "{found}"?' if found else None


def _stem(name: str) -> str:
    return name.removesuffix(Path(name).suffix)


def _nearby(path: Path, root: Path) -> list[str]:
    """Files of the same sort below the root, those around the missing one first."""
    around = [*path.parent.glob(f"*{path.suffix}")] if path != root and path.parent.is_dir() else []
    return [found.relative_to(root).as_posix() for found in [*around, *_below(root, path.suffix)]]


def _below(root: Path, suffix: str) -> list[Path]:
    """Files below a directory, hidden places left out. Bounded, for a root may be anything."""
    found: list[Path] = []
    for directory, names, files in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith((".", "__")))
        found.extend(Path(directory, name) for name in files if name.endswith(suffix))
        if len(found) > MAX_CANDIDATES:
            break
    return found[:MAX_CANDIDATES]


def _callable(text: str, root: Path) -> PythonSource:
    name = text.removeprefix("py://")
    if name == text or not _CALLABLE.fullmatch(name):
        raise _Refused(f'"{text}" is not a Python callable', 'write "py://package.module:callable"')
    module, _, attribute = name.partition(":")
    path = module_file(module, root)
    if path is None:
        _look_outside(module, root)
    else:
        _look_inside(path, attribute)
    return PythonSource(module, attribute)


def _look_outside(module: str, root: Path) -> None:
    """A module that is not below the root must belong to something installed; only its package is looked for."""
    top = module.partition(".")[0]
    below = (root / top).is_dir() or (root / f"{top}.py").is_file()
    try:
        installed = not below and importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        installed = False
    if not installed:
        known = [_dotted(path.relative_to(root)) for path in _below(root, ".py")]
        raise _Refused(f'no Python module "{module}" below the root', did_you_mean(module, known))


def _dotted(path: Path) -> str:
    return ".".join(path.with_suffix("").parts)


def _look_inside(path: Path, attribute: str) -> None:
    """Refuses a name the module's top level clearly does not define. Modules that compute their names get the benefit."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise _Refused(f"{path.name}:{line or 1} is not Python: {getattr(error, 'msg', error)}") from error
    names = _defined(tree)
    if names is not None and attribute.partition(".")[0] not in names:
        raise _Refused(f'{path.name} has no callable "{attribute}"', did_you_mean(attribute, names))


def _defined(tree: ast.Module) -> set[str] | None:
    """The names a module binds, at any depth of its statements; None when it cannot be told without running it."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            if node.name == "__getattr__":
                return None
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            if any(alias.name == "*" for alias in node.names):
                return None
            names.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "globals":
            return None
    return names
