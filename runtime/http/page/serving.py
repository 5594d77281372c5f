"""The routes of the page: `/runs`, `/runs/{id}` and the files that it is made of. It holds no data, so it asks for no token: what it shows comes from the API, which does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aiohttp import web

from runtime.http.paths import INDEX
from runtime.http.problem import ProblemResponse, refuse
from runtime.http.routes import Params, Route, Routes

HOME = "/runs"
FILES = "/_evermoon"
_HERE = Path(__file__).parent
_KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
#: Nothing from anywhere else, no script or style in the page itself, and no page around it whose clicks would be its user's.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    content: bytes
    kind: str

    @property
    def tag(self) -> str:
        return hashlib.sha256(self.content).hexdigest()[:16]


class WatchPage:
    def routes(self) -> list[Route]:
        return [
            Route("GET", "/", self.lead, public=True, yields=True),
            Route("GET", HOME, self.page, public=True, yields=True),
            Route("GET", f"{HOME}/{{id}}", self.page, public=True, yields=True),
            Route("GET", f"{FILES}/{{file...}}", self.file, public=True),
        ]

    async def lead(self, request: web.BaseRequest, params: Params) -> web.Response:
        return web.Response(status=302, headers={"Location": HOME})

    async def page(self, request: web.BaseRequest, params: Params) -> web.Response:
        return _answer(request, files()[INDEX])

    async def file(self, request: web.BaseRequest, params: Params) -> web.Response:
        found = files().get(params["file"])
        if found is None:
            raise refuse(404, "nothing is served at this path")
        return _answer(request, found)


def without_taken(own: Iterable[Route], others: Iterable[Route]) -> list[Route]:
    """Evermoon's own routes but for the page's where the registry answers there itself.

    The page is one thing: where the registry has its list or its runs, it is nowhere. A directory at the root has `/`, but not all that is under it.
    """
    own, others = list(own), list(others)
    rivals = Routes(route for route in others if route.router is not None or route.path != "/{rest...}")
    is_taken = any(_answers(rivals, route.path) for route in own if route.yields and route.path != "/")
    return [
        route
        for route in own
        if not route.yields or not (is_taken or (route.path == "/" and _answers(Routes(others), "/")))
    ]


def _answers(routes: Routes, path: str) -> bool:
    try:
        routes.find("GET", path)
    except ProblemResponse:
        return False
    return True


@cache
def files() -> dict[str, PageFile]:
    """What is served, by its path: nothing else can be had, whatever a request says."""
    found = (path for path in _HERE.rglob("*") if path.suffix in _KINDS)
    return {path.relative_to(_HERE).as_posix(): PageFile(path.read_bytes(), _KINDS[path.suffix]) for path in found}


def _answer(request: web.BaseRequest, file: PageFile) -> web.Response:
    headers = {**_HEADERS, "ETag": f'"{file.tag}"'}
    if any(tag.value == file.tag for tag in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=file.content, content_type=file.kind, charset="utf-8", headers=headers)
