"""The routes `/api/v1/runs`, to look at runs, wait for them, talk to them and end them."""

from __future__ import annotations

from collections.abc import Mapping
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
    whole_number,
)
from runtime.http.backend import Backend
from runtime.http.body import read_json
from runtime.http.guarded import Refusal
from runtime.http.paths import API
from runtime.http.problem import ProblemResponse, refuse
from runtime.http.request import client_of, principal_of
from runtime.http.routes import Params, Route
from runtime.http.waiting import Wait, result_of

#: What reading the result of a closed run may take, seconds.
_CLOSED_WAIT = 10.0
#: How far `?page=` goes: every page is walked from the first run on. A page token is not.
_WALKED = 10_000
_RUNS = f"{API}/runs"
_RUN = f"{_RUNS}/{{id}}"


class RunRoutes:
    def __init__(self, backend: Backend, body_timeout: float) -> None:
        self._backend = backend
        self._body_timeout = body_timeout

    def routes(self) -> list[Route]:
        return [
            Route("GET", _RUNS, self.index, query=("query", "page", "limit", "page_token")),
            Route("GET", _RUN, self.show, query=("stack",)),
            Route("GET", f"{_RUN}/result", self.result, query=("wait",)),
            Route("GET", f"{_RUN}/history", self.history, query=()),
            Route("POST", f"{_RUN}/signals/{{topic}}", self.signal, query=()),
            Route("POST", f"{_RUN}/queries/{{name}}", self.query, query=()),
            Route("POST", f"{_RUN}/updates/{{name}}", self.update, query=()),
            Route("POST", f"{_RUN}/cancel", self.cancel, query=()),
            Route("POST", f"{_RUN}/terminate", self.terminate, query=()),
        ]

    async def index(self, request: web.BaseRequest, params: Params) -> web.Response:
        query = request.query.get("query", "")
        page = whole_number(request, "page", 1, 1000)
        size = whole_number(request, "limit", 50, 1000)
        if page * size > _WALKED:
            message = (
                f"?page= and ?limit= reach the first {_WALKED} runs; further ones have the page_token of links.next"
            )
            raise refuse(400, message, parameter="page")
        token = request.query.get("page_token", "")
        found = await self._of(request).page(query, page * size, token)
        shown = await self._of(request).look(found.runs[(page - 1) * size :])
        count = await self._of(request).count(query)
        answer: dict[str, Any] = {"runs": [_summary(run) for run in shown], "count": count, "page": page}
        if found.is_partial:
            answer["partial"] = True
        if found.next:
            further = request.rel_url.without_query_params("page").update_query(page_token=found.next)
            answer["next_page_token"], answer["links"] = found.next, {"next": str(further)}
        return json_response(answer)

    async def show(self, request: web.BaseRequest, params: Params) -> web.Response:
        asked = request.query.get("stack")
        stack = asked not in ("false", "0", "no")
        run = await self._of(request).describe(params["id"], stack=stack, replayed=stack and asked is not None)
        return json_response(run_document(run))

    async def result(self, request: web.BaseRequest, params: Params) -> web.Response:
        wait = Wait(request)
        run = await self._of(request).describe(params["id"])
        closed = run.closed_at is not None
        value = None
        if closed or wait.seconds:
            longest = max(wait.seconds, _CLOSED_WAIT) if closed else wait.seconds
            value = await result_of(request, self._backend, run.id, longest)
        return _running(run, wait.headers) if value is None else payload_response(value, headers=wait.headers)

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
            if error.kind in (UNAVAILABLE, TIMEOUT) or isinstance(error, Refusal) or "ended" in (error.details or {}):
                raise
            if error.kind == NOT_FOUND:
                await self._of(request).describe(params["id"])  # 404 when it is the run that is missing
            raise ProblemResponse(422, error) from None

    async def cancel(self, request: web.BaseRequest, params: Params) -> web.Response:
        await self._of(request).cancel(params["id"], await self._reason(request), _who(request))
        return _done(params["id"])

    async def terminate(self, request: web.BaseRequest, params: Params) -> web.Response:
        await self._of(request).terminate(params["id"], await self._reason(request), _who(request))
        return _done(params["id"])

    def _of(self, request: web.BaseRequest) -> Workflows:
        """The runs, as far as whoever asks may reach them."""
        return self._backend.workflows_for(principal_of(request))

    async def _reason(self, request: web.BaseRequest) -> str:
        body = (await read_json(request, self._body_timeout)).value
        if body is None:
            return ""
        reason = body.get("reason", "") if isinstance(body, dict) else None
        if not isinstance(reason, str) or set(body) - {"reason"}:
            raise refuse(400, 'the body must be absent or {"reason": text}')
        return reason


def _who(request: web.BaseRequest) -> str:
    """Who asks, as the run's history keeps it."""
    actor = principal_of(request).actor
    return actor.id if actor is not None else f"HTTP client {client_of(request)}"


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
    for detail in (
        "stack",
        "warnings",
        "pending",
        "details",
        "failure",
        "cancel",
        "progress",
        "continue_as_new_suggested",
    ):
        del document[detail]
    return document


def _running(run: RunDescription, headers: Mapping[str, str]) -> web.Response:
    content = {"id": run.id, "run_id": run.run_id, "status": run.status, "links": run_links(run.id)}
    return json_response(content, 202, {"Location": run_path(run.id), "Retry-After": "1", **headers})


def _done(run: str) -> web.Response:
    return json_response({"id": run, "links": run_links(run)}, 202)
