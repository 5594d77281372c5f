"""The routes `/healthz` (this process answers) and `/readyz` (Temporal answers, too, and the workers poll)."""

from __future__ import annotations

from aiohttp import web

from runtime.http.answers import json_response
from runtime.http.backend import Backend
from runtime.http.problem import refuse
from runtime.http.routes import Params, Route


class Health:
    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/healthz", self.alive, public=True),
            Route("GET", "/readyz", self.ready, public=True),
        ]

    async def alive(self, request: web.BaseRequest, params: Params) -> web.Response:
        return json_response({"status": "ok"})

    async def ready(self, request: web.BaseRequest, params: Params) -> web.Response:
        missing = ["the server is stopping"] if self._backend.stopping.is_set() else await self._backend.ready()
        if missing:
            raise refuse(503, "; ".join(missing), headers={"Retry-After": "1"}, missing=list(missing))
        return json_response({"status": "ready"})
