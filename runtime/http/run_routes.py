"""The routes `/api/v1/runs`, to look at runs, wait for them, talk to them and end them."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from aiohttp import web

from runtime.contracts import RunDescription, Workflows
from runtime.errors import NOT_FOUND, TIMEOUT, UNAVAILABLE, Error
from runtime.http.answers import (
    json_response,
    payload_response,
    run_links,
    run_path,
    seconds,
    whole_number,
)
from runtime.http.backend import Backend
from runtime.http.body import read_json
from runtime.http.guarded import Refusal
from runtime.http.paths import API
from runtime.http.problem import ProblemResponse, refuse
from runtime.http.request import principal_of
from runtime.http.routes import Params, Route
from runtime.payload import Payload

#: The longest a client may wait in one request, seconds.
MAX_WAIT = 300.0
#: What reading the result of a closed run may take, seconds.
_CLOSED_WAIT = 10.0
_RUNS = f"{API}/runs"
_RUN = f"{_RUNS}/{{id}}"


class RunRoutes:
    def __init__(self, backend: Backend, body_timeout: float) -> None:
        self._backend = backend
        self._body_timeout = body_timeout

    def routes(self) -> list[Route]:
        return [
            Route("GET", _RUNS, self.index),
            Route("GET", _RUN, self.show),
            Route("GET", f"{_RUN}/result", self.result),
            Route("GET", f"{_RUN}/history", self.history),
            Route("POST", f"{_RUN}/signals/{{topic}}", self.signal),
            Route("POST", f"{_RUN}/queries/{{name}}", self.query),
            Route("POST", f"{_RUN}/updates/{{name}}", self.update),
            Route("POST", f"{_RUN}/cancel", self.cancel),
            Route("POST", f"{_RUN}/terminate", self.terminate),
        ]

    async def index(self, request: web.BaseRequest, params: Params) -> web.Response:
        query = request.query.get("query", "")
        page = whole_number(request, "page", 1, 1000)
        size = whole_number(request, "limit", 50, 1000)
        found = [run async for run in self._of(request).list(query, page * size + 1)]
        shown = found[(page - 1) * size : page * size]
        count = await self._of(request).count(query)
        answer: dict[str, Any] = {"runs": [_summary(run) for run in shown], "count": count, "page": page}
        if len(found) > page * size:
            answer["links"] = {"next": str(request.rel_url.update_query(page=str(page + 1)))}
        return json_response(answer)

    async def show(self, request: web.BaseRequest, params: Params) -> web.Response:
        asked = request.query.get("stack")
        stack = asked not in ("false", "0", "no")
        run = await self._of(request).describe(params["id"], stack=stack, replayed=stack and asked is not None)
        return json_response(run_document(run))

    async def result(self, request: web.BaseRequest, params: Params) -> web.Response:
        wait = seconds(request, "wait", 0.0, MAX_WAIT)
        run = await self._of(request).describe(params["id"])
        closed = run.closed_at is not None
        if not closed and not wait:
            return _running(run)
        value = await self._wait(request, run.id, max(wait, _CLOSED_WAIT) if closed else wait)
        return _running(run) if value is None else payload_response(value)

    async def history(self, request: web.BaseRequest, params: Params) -> web.Response:
        return json_response(await self._of(request).history(params["id"]))

    async def signal(self, request: web.BaseRequest, params: Params) -> web.Response:
        body = await read_json(request, self._body_timeout)
        await self._of(request).signal(params["id"], params["topic"], body.args)
        return _done(params["id"])

    async def query(self, request: web.BaseRequest, params: Params) -> web.Response:
        body = await read_json(request, self._body_timeout)
        return payload_response(await self._of(request).query(params["id"], params["name"], body.args))

    async def update(self, request: web.BaseRequest, params: Params) -> web.Response:
        body = await read_json(request, self._body_timeout)
        try:
            return payload_response(await self._of(request).update(params["id"], params["name"], body.args))
        except Error as error:
            if error.kind in (UNAVAILABLE, TIMEOUT) or isinstance(error, Refusal):
                raise
            if error.kind == NOT_FOUND:
                await self._of(request).describe(params["id"])  # 404 when it is the run that is missing
            raise ProblemResponse(422, error) from None

    async def cancel(self, request: web.BaseRequest, params: Params) -> web.Response:
        await self._of(request).cancel(params["id"], await self._reason(request))
        return _done(params["id"])

    async def terminate(self, request: web.BaseRequest, params: Params) -> web.Response:
        await self._of(request).terminate(params["id"], await self._reason(request))
        return _done(params["id"])

    async def _wait(self, request: web.BaseRequest, run: str, wait: float) -> Payload | None:
        """The run's value; None when it is still running after `wait` seconds, or when the server stops. Raises its failure."""
        waiting = asyncio.ensure_future(self._of(request).result(run, timeout=wait))
        stopping = asyncio.ensure_future(self._backend.stopping.wait())
        try:
            await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
            return waiting.result() if waiting.done() else None
        except Error as error:
            if error.kind == TIMEOUT and (error.details or {}).get("waiting"):
                return None
            raise
        finally:
            waiting.cancel()
            stopping.cancel()

    def _of(self, request: web.BaseRequest) -> Workflows:
        """The runs, as far as whoever asks may reach them."""
        return self._backend.workflows_for(principal_of(request))

    async def _reason(self, request: web.BaseRequest) -> str:
        body = (await read_json(request, self._body_timeout)).value
        if body is None:
            return ""
        reason = body.get("reason", "") if isinstance(body, dict) else None
        if not isinstance(reason, str):
            raise refuse(400, 'the body must be absent or {"reason": text}')
        return reason


def run_document(run: RunDescription) -> dict[str, Any]:
    """A run as the API shows it. The memo is left out: it belongs to whoever started the run."""
    document = asdict(run)
    del document["memo"]
    heartbeats = [item["heartbeat"] for item in run.pending if item.get("heartbeat") is not None]
    progress = {
        "events": run.history_length,
        "pending": len(run.pending),
        "heartbeat": heartbeats[-1] if heartbeats else None,
    }
    return {**document, "progress": progress, "links": run_links(run.id)}


def _summary(run: RunDescription) -> dict[str, Any]:
    document = run_document(run)
    for detail in ("stack", "warnings", "pending", "details", "failure", "progress"):
        del document[detail]
    return document


def _running(run: RunDescription) -> web.Response:
    content = {"id": run.id, "run_id": run.run_id, "status": run.status, "links": run_links(run.id)}
    return json_response(content, 202, {"Location": run_path(run.id), "Retry-After": "1"})


def _done(run: str) -> web.Response:
    return json_response({"id": run, "links": run_links(run)}, 202)
