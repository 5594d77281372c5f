"""The checks of a registry's HTTP entries before anything listens, reported with the registry's other problems."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from runtime.http.docs.own import OWN
from runtime.http.middleware.options import dotted, faults, variable_id
from runtime.http.paths import INDEX, join, shape
from runtime.modules.security.rules import policies_of
from runtime.registry import EnvVariable, HttpEndpoint, HttpRouter, Problem, Registry
from runtime.registry.kinds import HttpStatic
from runtime.registry.placeholders import is_in


def http_checks(registry: Registry) -> Iterable[Problem]:
    """Middleware that would not stand, directories that are not there, and paths that are taken."""
    yield from _middleware(registry)
    yield from _directories(registry)
    yield from _taken(registry)


def _middleware(registry: Registry) -> Iterator[Problem]:
    """A guard that would not stand is worse than none: what is listed must work."""
    for router in registry.of_kind(HttpRouter):
        for fault in faults(router):
            severity: Literal["error", "note"] = "note" if fault.note else "error"
            yield Problem(
                router.file,
                router.line,
                router.id,
                fault.message,
                fault.hint,
                "evermoon docs http#middleware",
                severity,
            )
        for option in ("token_auth.variables", "token_auth.jwt.variable"):
            for name in _names(router, option):
                if not isinstance(registry.get(name), EnvVariable):
                    message = f"options: {option}: {name} is no env.variable"
                    yield Problem(router.file, router.line, router.id, message)
        for name in _names(router, "token_auth.scope"):
            if not policies_of(registry, name):
                message = f"options: token_auth.scope: {name} is neither a security.policy nor a group of them"
                yield Problem(router.file, router.line, router.id, message)


def _names(router: HttpRouter, option: str) -> list[str]:
    """The entries that an option names, as full ids."""
    written = dotted(router.options).get(option, ())
    if is_in(written):
        return []
    names = written.split(",") if isinstance(written, str) else written if isinstance(written, tuple) else ()
    return [variable_id(router, str(name).strip()) for name in names if str(name).strip()]


def _directories(registry: Registry) -> Iterator[Problem]:
    for static in registry.of_kind(HttpStatic):
        if is_in(static.directory):
            continue
        fault = _directory_fault(static)
        if fault:
            yield Problem(static.file, static.line, static.id, fault)


def _directory_fault(entry: HttpStatic) -> str | None:
    """What is wrong with an entry's directory, which may not leave the root its file gives."""
    directory = (entry.root / entry.directory).resolve()
    if not directory.is_relative_to(entry.root.resolve()):
        return f"directory {entry.directory} leaves the root of its file"
    if not directory.is_dir():
        return f"directory {entry.directory} is not there"
    if entry.spa and not (directory / INDEX).is_file():
        return f"directory {entry.directory} has no {INDEX}, which spa serves"
    return None


def _taken(registry: Registry) -> Iterator[Problem]:
    """Paths that Evermoon answers itself, or two directories on one path. Two endpoints on one the registry finds."""
    own = {shape(*route.split(" ", 1)) for route, operation in OWN.items() if not operation.yields}
    for endpoint in registry.of_kind(HttpEndpoint):
        router = registry.get(endpoint.router)
        path = join(router.prefix, endpoint.path) if isinstance(router, HttpRouter) else ""
        if path and not is_in(path) and shape(endpoint.method, path) in own:
            message = f"{endpoint.method} {path} is answered by Evermoon itself"
            yield Problem(endpoint.file, endpoint.line, endpoint.id, message, docs="evermoon docs http#runs")
    first: dict[tuple[str, str], HttpStatic] = {}
    for static in registry.of_kind(HttpStatic):
        other = first.setdefault((static.server, static.path), static)
        if other is not static:
            message = f"path {static.path or '/'} is also that of {other.id} ({other.file}:{other.line})"
            yield Problem(static.file, static.line, static.id, message)
