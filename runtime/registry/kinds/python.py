"""Python callables as entries: trusted host code, imported with the entry's root on the path."""

from __future__ import annotations

import importlib
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

from pydantic import Field, InstanceOf, WithJsonSchema

from runtime.errors import invalid
from runtime.registry.kinds.lua import ACTIVITY_WORKER, OPTIONS, ActivityMeta, ConcurrencyPool
from runtime.registry.models import Entry, Lift
from runtime.registry.units import Duration, Frozen, FrozenDict

#: Top-level names that a root may not replace once they are imported.
_KEPT = frozenset({*sys.stdlib_module_names, "runtime"})
_importing = threading.Lock()


@dataclass(frozen=True, slots=True)
class PythonSource:
    """The source of a Python function, `py://module:callable`; the callable may be an attribute of an attribute, with dots."""

    module: str
    callable: str


class FunctionPy(Entry):
    """A Python function, sync or async, and an activity when `meta.temporal.activity` names a worker."""

    KIND = "function.py"
    REFERENCES = (ACTIVITY_WORKER,)
    LIFTS = (Lift("activity", ("meta", "temporal", "activity")), OPTIONS)

    kind: Literal["function.py"]
    source: Annotated[
        InstanceOf[PythonSource],
        WithJsonSchema({"type": "string", "pattern": "^py://.+:.+", "description": "py://package.module:callable"}),
    ]
    pool: ConcurrencyPool = ConcurrencyPool.model_construct()
    timeout: Duration | None = None
    activity: ActivityMeta | None = None
    options: Frozen = Field(default_factory=FrozenDict)

    def load(self) -> Callable[..., Any]:
        """The callable, its module imported. Raises `Error` INVALID naming the entry when it cannot be."""
        try:
            found: Any = import_module(self.source.module, self.root)
        except (Exception, SystemExit) as error:  # user code at import may raise anything
            place = place_of(error, self.root)
            text = f"{self.id}: importing {self.source.module}: {type(error).__name__}: {error}"
            raise invalid(f"{text} ({place})" if place else text) from error
        for part in self.source.callable.split("."):
            found = getattr(found, part, None)
        if not callable(found):
            raise invalid(f"{self.id}: {self.source.module} has no callable {self.source.callable}")
        return found  # type: ignore[no-any-return]


def place_of(error: BaseException, root: Path) -> str:
    """The last line of files below `root` that an exception came through, ``file:line``; "" where there is none. Libraries installed there are not meant."""
    lines = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        lines.append((error.filename or "", error.lineno))
    here = root.resolve()
    for file, line in reversed(lines):
        path = Path(file).resolve()
        if path.is_relative_to(here) and not _is_installed(path.relative_to(here)):
            return f"{path.relative_to(here).as_posix()}:{line}"
    return ""


def _is_installed(path: Path) -> bool:
    return any(part == "site-packages" or part.startswith(".") for part in path.parts)


def module_file(name: str, root: Path) -> Path | None:
    """The file of a module below `root`, if there is one. Imports nothing."""
    base = root.joinpath(*name.split("."))
    candidates = (base.with_name(base.name + ".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def import_module(name: str, root: Path) -> ModuleType:
    """Imports with `root` first on the path. A module of the same name from another root gives way to this root's."""
    with _importing:
        place = str(root.resolve())
        if place in sys.path:
            sys.path.remove(place)
        sys.path.insert(0, place)
        importlib.invalidate_caches()
        if module_file(name, root):
            _forget_other_roots(name.partition(".")[0], root.resolve())
        return importlib.import_module(name)


def _forget_other_roots(top: str, root: Path) -> None:
    if top in _KEPT:
        return
    loaded = [name for name in sys.modules if name == top or name.startswith(top + ".")]
    if any(module_file(name, root) and not _is_below(sys.modules[name], root) for name in loaded):
        for name in loaded:
            del sys.modules[name]


def _is_below(module: ModuleType, root: Path) -> bool:
    """Whether a module is from `root`; a namespace package, which has no file, belongs to every root."""
    file = getattr(module, "__file__", None)
    return file is None or Path(file).resolve().is_relative_to(root)
