"""The routes `/api/v1/codec`, by which Temporal's UI and CLI show values that are encrypted or kept in a store."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from runtime.errors import not_found
from runtime.http.backend import Backend, CodecPort
from runtime.http.body import read
from runtime.http.middleware.cors import CorsMiddleware
from runtime.http.middleware.options import Cors
from runtime.http.mount import Mount
from runtime.http.paths import API
from runtime.http.request import principal_of
from runtime.http.routes import Params, Route
from runtime.modules.security.rules import refuse

CODEC = f"{API}/codec"


class CodecRoutes:
    """The codec server of the registry's clients. The header X-Namespace says whose; without it the first client's."""

    def __init__(self, backend: Backend, body_timeout: float) -> None:
        self._backend = backend
        self._body_timeout = body_timeout

    def routes(self) -> list[Route]:
        return [
            Route("POST", f"{CODEC}/decode", self.decode, query=()),
            Route("POST", f"{CODEC}/encode", self.encode, query=()),
        ]

    async def decode(self, request: web.BaseRequest, params: Params) -> web.Response:
        client, body = await self._asked(request, "codec.decode")
        return _answer(await self._codec.decode(client, body))

    async def encode(self, request: web.BaseRequest, params: Params) -> web.Response:
        client, body = await self._asked(request, "codec.encode")
        return _answer(await self._codec.encode(client, body))

    async def _asked(self, request: web.BaseRequest, action: str) -> tuple[str, bytes]:
        """The client whose payloads they are, and the body. What has no run is asked of a scope by the client's id."""
        client = self._codec.client(request.headers.get("X-Namespace", ""))
        refuse(self._backend.registry, principal_of(request), action, client)
        return client, await read(request, self._body_timeout)

    @property
    def _codec(self) -> CodecPort:
        if self._backend.codec is None:
            raise not_found("codec", "this server has no Temporal clients")
        return self._backend.codec(self._backend.registry)


def mount_of(ui: str) -> Mount:
    """Lets the pages of a Temporal UI on this machine use the codec, by whichever name of the machine they were opened."""
    url = urlsplit(ui)
    origins = [f"{url.scheme}://{host}:{url.port}" for host in (url.hostname, "localhost")]
    allowed = {"origins": origins, "methods": ["POST"], "headers": ["Content-Type", "Authorization", "X-Namespace"]}
    cors = CorsMiddleware(Cors.model_validate({f"cors.allow.{name}": value for name, value in allowed.items()}))
    return Mount(CODEC, tuple(CODEC.split("/")[1:]), outer=(cors,), cors=cors)


def _answer(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})
