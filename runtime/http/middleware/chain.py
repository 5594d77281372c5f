"""The chain of middleware around a handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from aiohttp import web

Serve = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Middleware(Protocol):
    """A layer around a handler. It answers a request, with what `serve` answers or instead of it. It raises `Problem` or `Error` to refuse."""

    async def __call__(self, request: web.BaseRequest, serve: Serve) -> web.StreamResponse: ...


class MiddlewareChain:
    """A sequence of middleware, outermost first."""

    def __init__(self, links: Sequence[Middleware]) -> None:
        self._links = tuple(links)

    async def __call__(self, request: web.BaseRequest, serve: Serve) -> web.StreamResponse:
        for link in reversed(self._links):
            serve = _around(link, serve)
        return await serve(request)


def _around(link: Middleware, serve: Serve) -> Serve:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return await link(request, serve)

    return answer
