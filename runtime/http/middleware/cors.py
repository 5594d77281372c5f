"""The middleware `cors`, which tells browsers which pages of other origins may talk to the router."""

from __future__ import annotations

import re

from aiohttp import web

from runtime.http.middleware.chain import Serve
from runtime.http.middleware.options import Cors
from runtime.http.request import on_head, vary

_LOCALHOST = re.compile(r"https?://localhost(:[0-9]{1,5})?")


class CorsMiddleware:
    """A middleware that answers preflights of allowed origins by itself; any other origin's request goes on, without CORS headers."""

    def __init__(self, options: Cors) -> None:
        self._options = options

    async def __call__(self, request: web.BaseRequest, serve: Serve) -> web.StreamResponse:
        origin = request.headers.get("Origin", "")
        on_head(request, lambda response: self._decorate(response, origin))
        if self.answers(request):
            return self._preflight(request)
        return await serve(request)

    def answers(self, request: web.BaseRequest) -> bool:
        """Whether this is a preflight that it answers by itself."""
        return is_preflight(request) and self._allows(request.headers["Origin"])

    def invites(self, request: web.BaseRequest, *, with_cookie: bool) -> bool:
        """Whether the router's author named the request's origin, and where it comes `with_cookie`, allowed that too.

        What nobody wrote, the default of any origin, invites nobody.
        """
        options = self._options
        named = "origins" in options.model_fields_set and self._allows(request.headers.get("Origin", ""))
        return named and (options.credentials or not with_cookie)

    def _preflight(self, request: web.BaseRequest) -> web.Response:
        options = self._options
        headers = {
            "Access-Control-Allow-Methods": ", ".join(options.methods),
            "Access-Control-Allow-Headers": ", ".join(options.headers),
            "Access-Control-Max-Age": str(options.max_age),
        }
        if options.private_network and request.headers.get("Access-Control-Request-Private-Network") == "true":
            headers["Access-Control-Allow-Private-Network"] = "true"
        return web.Response(status=204, headers=headers)

    def _decorate(self, response: web.StreamResponse, origin: str) -> None:
        vary(response, "Origin")
        if not self._allows(origin):
            return
        response.headers["Access-Control-Allow-Origin"] = origin
        if self._options.credentials:
            response.headers["Access-Control-Allow-Credentials"] = "true"
        if self._options.expose:
            response.headers["Access-Control-Expose-Headers"] = ", ".join(self._options.expose)

    def _allows(self, origin: str) -> bool:
        return bool(origin) and any(_matches(allowed, origin.lower()) for allowed in self._options.origins)


def is_preflight(request: web.BaseRequest) -> bool:
    return (
        request.method == "OPTIONS"
        and "Origin" in request.headers
        and "Access-Control-Request-Method" in request.headers
    )


def _matches(allowed: str, origin: str) -> bool:
    if allowed == "*":
        return True
    if allowed == "localhost":
        return _LOCALHOST.fullmatch(origin) is not None
    scheme, wildcard, domain = allowed.partition("://*.")
    if wildcard:
        return origin.startswith(f"{scheme}://") and origin.endswith(f".{domain}")
    return origin == allowed
