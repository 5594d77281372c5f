"""The choice of the route that answers a request, and of the middleware in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence

from aiohttp import web

from runtime.http.browsers import SAFE, Doorkeeper
from runtime.http.middleware.chain import Middleware, MiddlewareChain
from runtime.http.middleware.cors import is_preflight
from runtime.http.middleware.token_auth import AnyToken
from runtime.http.mount import Mount
from runtime.http.problem import ProblemResponse, refuse
from runtime.http.request import gone_of, set_route, unknown_parameter
from runtime.http.routes import FoundRoute, Route, Routes, split
from runtime.registry.problems import did_you_mean

_NOWHERE = Mount("", ())


class Dispatch:
    """The routes and middleware from which a service answers; a reload replaces it.

    An endpoint stands behind its own router's middleware. Everything else stands behind that of the router with the longest prefix above it,
    and behind the tokens of every such router. Evermoon's own routes ask, on an address that others can reach
    (`exposed`), for a token of any router of the service: but for those that say whether the server is well.
    What no token guards is behind a doorkeeper, which knows the names of the service (`hosts`).
    """

    def __init__(
        self, routes: Routes, mounts: Sequence[Mount], *, exposed: bool = False, hosts: tuple[str, ...] = ()
    ) -> None:
        self._routes = routes
        self._mounts = sorted(mounts, key=lambda mount: len(mount.prefix), reverse=True)
        self._by_router = {mount.router: mount for mount in mounts}
        self._exposed = exposed
        self._doorkeepers = {
            mount.router: Doorkeeper(hosts, is_loopback=not exposed, cors=mount.cors) for mount in [_NOWHERE, *mounts]
        }
        self._is_guarded = any(mount.guard for mount in mounts)
        self._lasting: set[asyncio.Task[web.StreamResponse]] = set()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        raw_path = request.rel_url.raw_path
        segments = split(raw_path)
        found: FoundRoute | None = None
        refusal: ProblemResponse | None = None
        try:
            found = self._routes.find(request.method, raw_path)
        except ProblemResponse as problem:
            refusal = problem

        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            if found is not None:
                return await self._handle(request, found)
            assert refusal is not None
            if request.method == "OPTIONS" and refusal.status == 405:
                return web.Response(status=204, headers={"Allow": refusal.headers["Allow"]})
            raise refusal

        set_route(request, found.route.path if found else "")
        return await self._chain(request, found.route if found else None, segments)(request, serve)

    def _chain(self, request: web.BaseRequest, route: Route | None, segments: Sequence[str]) -> MiddlewareChain:
        if is_preflight(request):
            asked = self._preflight_mount(request, segments)
            if asked.cors is not None and asked.cors.answers(request):
                return asked.chain(None, light=True)
        if route is not None and route.router is not None:
            mount = self._by_router[route.router]
            return mount.chain(mount.guard or self._doorkeeper(mount))
        mount = next(self._above(segments), _NOWHERE)
        if route is not None and route.public:
            return mount.chain(None if self._is_guarded else self._doorkeeper(mount), light=True)
        return mount.chain(self._guard(route, segments) or self._doorkeeper(mount))

    def _preflight_mount(self, request: web.BaseRequest, segments: Sequence[str]) -> Mount:
        """The router of what the browser wants to ask next, when that has cors; else the nearest above that has."""
        try:
            wanted = self._routes.find(
                request.headers["Access-Control-Request-Method"].upper(), request.rel_url.raw_path
            ).route.router
        except ProblemResponse:
            wanted = None
        if wanted is not None:
            return self._by_router[wanted]
        return next((mount for mount in self._above(segments) if mount.cors), _NOWHERE)

    def _doorkeeper(self, mount: Mount) -> Middleware:
        return self._doorkeepers[mount.router]

    def _guard(self, route: Route | None, segments: Sequence[str]) -> Middleware | None:
        own = route is not None and not route.owner
        mounts = self._mounts if own and self._exposed else list(self._above(segments))
        guards = [mount.guard for mount in mounts if mount.guard is not None]
        return AnyToken(guards) if guards else None

    def _above(self, segments: Sequence[str]) -> Iterator[Mount]:
        return (mount for mount in self._mounts if mount.covers(segments))

    async def _handle(self, request: web.BaseRequest, found: FoundRoute) -> web.StreamResponse:
        if found.route.query is not None:
            _check_parameters(request, found.route.query)
        if found.route.owner or request.method in SAFE:
            return await found.route.handler(request, found.params)
        return await self._to_the_end(request, found)

    async def _to_the_end(self, request: web.BaseRequest, found: FoundRoute) -> web.StreamResponse:
        """What acts on runs is done although its client goes away: it was asked for."""

        async def handle() -> web.StreamResponse:
            return await found.route.handler(request, found.params)

        task = asyncio.create_task(handle())
        self._lasting.add(task)
        task.add_done_callback(self._lasting.discard)
        task.add_done_callback(_observed)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            gone_of(request).set()
            raise


def _check_parameters(request: web.BaseRequest, known: Collection[str]) -> None:
    """A misspelt parameter would be a start without its budget. Answers 400."""
    name = unknown_parameter(request, known)
    if name is not None:
        hint = did_you_mean(name, known) or (f"known are {', '.join(known)}" if known else "none is known here")
        raise refuse(400, f"unknown parameter ?{name[:40]}=; {hint}", parameter=name[:40])


def _observed(task: asyncio.Task[web.StreamResponse]) -> None:
    if not task.cancelled():
        task.exception()
