"""The routes `/openapi.json`, `/docs` and `/docs/errors`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from runtime.http.answers import json_response
from runtime.http.backend import Backend
from runtime.http.docs.openapi import document
from runtime.http.docs.pages import api_page, errors_page
from runtime.http.entries import known_to
from runtime.http.request import principal_of
from runtime.http.routes import Params, Route

#: Nothing on these pages loads anything, or runs.
_POLICY = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "Cache-Control": "no-cache"}


class Docs:
    """The routes of the documents. `served` has all routes of the service, these among them; it is filled when they are known."""

    def __init__(self, backend: Backend, served: Sequence[Route]) -> None:
        self._backend = backend
        self._served = served

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/openapi.json", self.openapi),
            Route("GET", "/docs", self.page),
            Route("GET", "/docs/errors", self.errors),
        ]

    async def openapi(self, request: web.BaseRequest, params: Params) -> web.Response:
        return json_response(self._document(request))

    async def page(self, request: web.BaseRequest, params: Params) -> web.Response:
        return _html(api_page(self._document(request)))

    async def errors(self, request: web.BaseRequest, params: Params) -> web.Response:
        return _html(errors_page())

    def _document(self, request: web.BaseRequest) -> dict[str, Any]:
        registry = self._backend.registry
        return document(registry, self._served, known_to(registry, principal_of(request)))


def _html(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html", headers=_POLICY)
