"""A request on its way through the server, and what the parts of the server tell each other about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from aiohttp import web

from runtime.principal import NOBODY, Principal

Decorate = Callable[[web.StreamResponse], None]


class Request(web.BaseRequest):
    """A request whose answer can be given headers before anybody knows who will answer: also streams, files and problems.

    `client`: its address, where a trusted proxy said which it is. `route`: the path of the route that answers, as it was defined.
    `principal`: for whom it is, where a token said so. `gone`: set when its client is, and what it asked for is done nevertheless. `taken`: the names of the parameters that a middleware reads.
    """

    ATTRS = web.BaseRequest.ATTRS | {"client", "route", "principal", "decorations", "gone", "taken"}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.client: str | None = None
        self.route = ""
        self.principal: Principal = NOBODY
        self.decorations: list[Decorate] = []
        self.gone = asyncio.Event()
        self.taken: set[str] = set()

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        for decorate in self.decorations:
            decorate(response)


def on_head(request: web.BaseRequest, decorate: Decorate) -> None:
    """Has `decorate` called with the answer just before its head is sent."""
    _ours(request).decorations.append(decorate)


def set_client(request: web.BaseRequest, address: str) -> None:
    _ours(request).client = address


def client_of(request: web.BaseRequest) -> str:
    return _ours(request).client or request.remote or ""


def set_route(request: web.BaseRequest, path: str) -> None:
    _ours(request).route = path


def route_of(request: web.BaseRequest) -> str:
    return _ours(request).route


def set_principal(request: web.BaseRequest, principal: Principal) -> None:
    _ours(request).principal = principal


def principal_of(request: web.BaseRequest) -> Principal:
    return _ours(request).principal


def gone_of(request: web.BaseRequest) -> asyncio.Event:
    return _ours(request).gone


def take_parameter(request: web.BaseRequest, name: str) -> str | None:
    """A parameter of the query string, which from now on is known to mean something."""
    _ours(request).taken.add(name)
    return request.query.get(name)


def unknown_parameter(request: web.BaseRequest, known: Collection[str]) -> str | None:
    """The first parameter of the query string that means nothing."""
    return next((name for name in request.query if name not in known and name not in _ours(request).taken), None)


def vary(response: web.StreamResponse, name: str) -> None:
    """Adds `name` to `Vary`, once."""
    known = [part.strip() for part in response.headers.get("Vary", "").split(",") if part.strip()]
    if name.lower() not in map(str.lower, known):
        response.headers["Vary"] = ", ".join([*known, name])


def _ours(request: web.BaseRequest) -> Request:
    assert isinstance(request, Request)
    return request
