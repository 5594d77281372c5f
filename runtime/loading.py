"""Loading a registry with all that can be checked before it is used. A check is imported when there is something for it to look at."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from runtime.late import late
from runtime.registry import WHOLE, Check, FileSet, Origin, Problem, Registry, Selection
from runtime.settings import Settings

if TYPE_CHECKING:
    from runtime.http import checks as http
    from runtime.lua import check as lua
    from runtime.registry import python_imports
    from runtime.temporal.schedules import checks as schedules
else:
    http, schedules = late("runtime.http.checks"), late("runtime.temporal.schedules.checks")
    lua, python_imports = late("runtime.lua.check"), late("runtime.registry.python_imports")

_log = logging.getLogger(__name__)


def load_registry(
    settings: Settings,
    *,
    checked: bool = True,
    served: bool = True,
    lenient: bool = False,
    strict: bool = False,
    files: FileSet | None = None,
    selection: Selection = WHOLE,
) -> Registry:
    """The registry, with every script checked unless told otherwise; made of `files` in place of those on this machine.

    Not `served`: of no use to anybody who listens or keeps schedules, so only the scripts are checked.

    `strict`: what is a problem for certain counts as a mistake. `selection`: the services of this process. Raises `RegistryError` with all
    that is wrong.
    """
    checks: list[Check] = [_lua_checks, _python_checks]
    checks += [_http_checks, _schedule_checks] if served else []
    checks = checks if checked else []
    if files is not None:
        with files.laid_out(settings.registry) as origin:
            return _loaded(settings, checks, lenient, strict, origin, selection)
    return _loaded(settings, checks, lenient, strict, None, selection)


def say_problems(registry: Registry) -> None:
    """Logs what is wrong for certain though it stopped nothing, for those who go on with it."""
    for problem in registry.notes:
        if problem.severity == "problem":
            _log.warning("%s", problem)


def _loaded(
    settings: Settings,
    checks: Sequence[Check],
    lenient: bool,
    strict: bool,
    origin: Origin | None,
    selection: Selection,
) -> Registry:
    return Registry.load(
        settings.registry,
        environ=settings.environ,
        overrides=settings.overrides,
        checks=checks,
        lenient=lenient,
        strict=strict,
        origin=origin,
        selection=selection,
    )


def _lua_checks(registry: Registry) -> Iterable[Problem]:
    return lua.lua_checks(registry)


def _python_checks(registry: Registry) -> Iterable[Problem]:
    called = any(entry.kind == "function.py" for entry in registry.entries.values())
    return python_imports.import_problems(registry) if called else ()


def _http_checks(registry: Registry) -> Iterable[Problem]:
    served = any(entry.kind.startswith("http.") for entry in registry.entries.values())
    return http.http_checks(registry) if served else ()


def _schedule_checks(registry: Registry) -> Iterable[Problem]:
    scheduled = any(entry.kind == "temporal.schedule" for entry in registry.entries.values())
    return schedules.schedule_checks(registry) if scheduled else ()
