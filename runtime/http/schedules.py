"""The route `/api/v1/schedules`, which shows the schedules on the servers of the registry's workers."""

from __future__ import annotations

from dataclasses import asdict

from aiohttp import web

from runtime.errors import not_found
from runtime.http.answers import json_response
from runtime.http.backend import Backend
from runtime.http.entries import READ_ENTRY
from runtime.http.paths import API
from runtime.http.request import principal_of
from runtime.http.routes import Params, Route
from runtime.modules.security.rules import is_allowed


class ScheduleRoutes:
    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def routes(self) -> list[Route]:
        return [Route("GET", f"{API}/schedules", self.index, query=())]

    async def index(self, request: web.BaseRequest, params: Params) -> web.Response:
        """Those whose entry the principal may read."""
        if self._backend.schedules is None:
            raise not_found("schedules", "this server knows none")
        registry, principal = self._backend.registry, principal_of(request)
        found = [
            asdict(view)
            for view in await self._backend.schedules().list()
            if is_allowed(registry, principal, READ_ENTRY, view.entry)
        ]
        return json_response({"schedules": found, "count": len(found)})
