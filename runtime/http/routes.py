"""The table of the handlers that answer requests. It is our own rather than aiohttp's, because endpoints change while the server runs.

A path is literal segments, `{name}` (one segment, not empty) and a final `{name...}` (the rest, perhaps empty). Literal
beats parameter beats rest, from left to right, so the order in which routes are added never matters.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

from aiohttp import web

from runtime.errors import invalid
from runtime.http.paths import LITERAL, ONE, REST, Pattern, Shape, compiled, shape_of
from runtime.http.problem import refuse

Params = Mapping[str, str]
Handler = Callable[[web.BaseRequest, Params], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path. `owner` is who asked for it: an entry id, or "" for Evermoon's own; `router` its router's id.

    `public`: answers whoever asks, without a token. `query`: the parameters that it knows; None where it looks at none of them itself.
    `yields`: an own route that gives way to what the registry has there.
    """

    method: str
    path: str
    handler: Handler
    owner: str = ""
    router: str | None = None
    public: bool = False
    query: Collection[str] | None = None
    yields: bool = False


class FoundRoute(NamedTuple):
    route: Route
    params: Params


class Routes:
    """A set of routes, fixed once made. Raises `Error` INVALID on a malformed path or two routes that cannot be told apart."""

    def __init__(self, routes: Iterable[Route]) -> None:
        patterns = [(compiled(route.owner, route.path), route) for route in routes]
        self._routes = sorted(patterns, key=lambda item: [kind for kind, _ in item[0]])
        self._refuse_twins()

    def __iter__(self) -> Iterator[Route]:
        return iter([route for _, route in self._routes])

    def find(self, method: str, raw_path: str) -> FoundRoute:
        """The route for a request line (path still percent-encoded). Answers 404, or 405 with `Allow`."""
        segments = split(raw_path)
        allowed: set[str] = set()
        for pattern, route in self._routes:
            params = _match(pattern, segments)
            if params is None:
                continue
            if route.method in (method, "*") or (method == "HEAD" and route.method == "GET"):
                return FoundRoute(route, params)
            allowed.add(route.method)
        if not allowed:
            raise refuse(404, "nothing is served at this path")
        allow = ", ".join(sorted(allowed | {"OPTIONS"} | ({"HEAD"} if "GET" in allowed else set())))
        raise refuse(405, f"{method} is not allowed here; {allow} is", headers={"Allow": allow})

    def _refuse_twins(self) -> None:
        seen: dict[Shape, Route] = {}
        for pattern, route in self._routes:
            twin = seen.setdefault(shape_of(route.method, pattern), route)
            if twin is not route:
                raise invalid(
                    f"{route.method} {route.path} is served twice: by {twin.owner or 'Evermoon'} and {route.owner}"
                )


def split(raw_path: str) -> list[str]:
    """The parts of a path, decoded. Answers 400 when they are not UTF-8."""
    try:
        return [unquote(part, errors="strict") for part in raw_path.removeprefix("/").split("/")]
    except UnicodeDecodeError:
        raise refuse(400, "the path is not UTF-8") from None


def _match(pattern: Pattern, segments: list[str]) -> dict[str, str] | None:
    params: dict[str, str] = {}
    for index, (kind, text) in enumerate(pattern):
        if kind == REST:
            params[text] = "/".join(segments[index:])
            return params
        if index >= len(segments):
            return None
        if kind == LITERAL and segments[index] != text:
            return None
        if kind == ONE:
            if not segments[index]:
                return None
            params[text] = segments[index]
    return params if len(segments) == len(pattern) else None
