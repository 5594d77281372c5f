"""The routes of operations: `POST /api/v1/operations/{entry}` accepts a command once, `GET /api/v1/operations/{op_id}` tells everything about it.

`/api/v1/runs/{op_id}` is the operation as a run.
"""

from __future__ import annotations

from dataclasses import replace

from aiohttp import web

from runtime.errors import Error
from runtime.http.answers import json_response, run_links
from runtime.http.backend import Backend
from runtime.http.body import read_json
from runtime.http.paths import API
from runtime.http.problem import refuse
from runtime.http.request import principal_of
from runtime.http.routes import Params, Route
from runtime.http.starting import PARAMETERS, Starting, started_document, times
from runtime.http.waiting import Wait
from runtime.principal import Caller
from runtime.process import operations


class Operations:
    def __init__(self, backend: Backend, body_timeout: float) -> None:
        self._backend = backend
        self._starting = Starting(backend, body_timeout)
        self._body_timeout = body_timeout

    def routes(self) -> list[Route]:
        return [
            Route("POST", f"{API}/operations/{{entry}}", self.post, query=PARAMETERS),
            Route("GET", f"{API}/operations/{{id}}", self.show, query=()),
        ]

    async def post(self, request: web.BaseRequest, params: Params) -> web.Response:
        entry = self._starting.workflow(params["entry"])
        wait = Wait(request)
        body = await read_json(request, self._body_timeout)
        try:
            command = operations.checked(body.value)
        except Error as error:
            raise refuse(400, error.message, **(error.details or {})) from None
        assert body.payload is not None
        caller = Caller(principal=principal_of(request))
        start = operations.start_of(entry.id, command, body.payload, times(request), caller)
        start = replace(start, worker=request.query.get("worker") or None)
        begun = await self._starting.once(start, "idem_key was used before in its domain, with another command")
        document = {
            "op_id": begun.started.id,
            "state": operations.state_of(begun.state),
            **{name: command[name] for name in operations.TEXTS},
            **started_document(begun),
        }
        return await self._starting.answer(request, begun, document, wait)

    async def show(self, request: web.BaseRequest, params: Params) -> web.Response:
        workflows = self._backend.workflows_for(principal_of(request))
        found = await operations.document(workflows, params["id"])
        return json_response({**found, "links": run_links(found["op_id"])})
