"""The routes `/api/v1/processes`, which show the processes of this host."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from aiohttp import web

from runtime.errors import not_found
from runtime.http.answers import json_response, whole_number
from runtime.http.backend import Backend, Processes
from runtime.http.paths import API
from runtime.http.request import principal_of
from runtime.http.routes import Params, Route
from runtime.modules.security.rules import is_allowed, refuse
from runtime.process.authorization import READ
from runtime.process.describe import ProcessDescription

_PROCESSES = f"{API}/processes"


class ProcessRoutes:
    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def routes(self) -> list[Route]:
        return [
            Route("GET", _PROCESSES, self.index, query=("limit",)),
            Route("GET", f"{_PROCESSES}/{{pid}}", self.show, query=("stack",)),
        ]

    async def index(self, request: web.BaseRequest, params: Params) -> web.Response:
        """Oldest first, `?limit=` of them at most; `count` is how many there are."""
        registry, principal = self._backend.registry, principal_of(request)
        found = [
            process
            for process in await self._here().processes()
            if is_allowed(registry, principal, READ, process.pid, process.entry)
        ]
        shown = found[: whole_number(request, "limit", 1000, 10_000)]
        return json_response({"processes": [_summary(process) for process in shown], "count": len(found)})

    async def show(self, request: web.BaseRequest, params: Params) -> web.Response:
        stack = request.query.get("stack", "true") not in ("false", "0", "no")
        process = await self._here().describe(params["pid"], stack=stack)
        refuse(self._backend.registry, principal_of(request), READ, process.pid, process.entry)
        return json_response(asdict(process))

    def _here(self) -> Processes:
        if self._backend.processes is None:
            raise not_found("processes", "this server runs none")
        return self._backend.processes


def _summary(process: ProcessDescription) -> dict[str, Any]:
    document = asdict(process)
    for detail in ("stack", "watches"):
        del document[detail]
    return document
