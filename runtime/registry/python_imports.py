"""The check of Python functions for imports that would fail: of packages that are not installed here. Nothing is imported for it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

from runtime.registry.kinds.python import FunctionPy, module_file
from runtime.registry.problems import Problem
from runtime.registry.registry import Registry


def import_problems(registry: Registry) -> Iterable[Problem]:
    """What the modules of functions import as they are loaded, and those of the same root that they import, at their lines, once each."""
    told: set[tuple[Path, str]] = set()
    for function in registry.of_kind(FunctionPy):
        for file, line, name in _missing(function.source.module, function.root, set()):
            if (file, name) not in told:
                told.add((file, name))
                message = f"no package '{name}' is installed for this Python, so {function.id} cannot be called"
                hint = f"install it where evermoon runs: {sys.executable} -m pip install {name}"
                yield Problem(file, line, function.id, message, hint, severity="problem")


def _missing(module: str, root: Path, seen: set[str]) -> Iterator[tuple[Path, int, str]]:
    file = module_file(module, root)
    if file is None or module in seen:
        return
    seen.add(module)
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # says so when it is loaded
        return
    for line, name in _imports(tree.body):
        top = name.partition(".")[0]
        if module_file(name, root) or module_file(top, root):
            yield from _missing(name, root, seen)
        elif not _is_there(top, root):
            yield file, line, top


def _is_there(name: str, root: Path) -> bool:
    """Whether Python would find it, as an editable install too, for which it has finders of its own. A name without dots is looked up and not imported."""
    if name in sys.modules or name in sys.stdlib_module_names or PathFinder.find_spec(name, [str(root)]) is not None:
        return True
    return find_spec(name) is not None


def _imports(body: Iterable[ast.stmt]) -> Iterator[tuple[int, str]]:
    """Absolute imports that a module makes in any case: not those that it tries, or makes under a condition."""
    for statement in body:
        if isinstance(statement, ast.Import):
            yield from ((statement.lineno, alias.name) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            yield statement.lineno, statement.module
        elif isinstance(statement, ast.ClassDef | ast.With):
            yield from _imports(statement.body)
