"""The route `POST /api/v1/workflows/{entry}`, which starts a run, once per idempotency key.

Key, entry and the actor of the request become the workflow id, so Temporal itself decides who was first: of many posts at
once, on any number of machines, before and after restarts, one start is accepted and the rest are told that the id is
taken. The same key of another actor is another key. What the first post said is remembered as a digest in the run's
memo, which lives exactly as long as the run is retained.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from runtime.contracts import StartRequest
from runtime.errors import Error, conflict
from runtime.http.answers import duration, json_response, payload_response, run_links, run_path
from runtime.http.backend import Backend
from runtime.http.body import JsonBody, read_json
from runtime.http.guarded import Refusal
from runtime.http.paths import API
from runtime.http.problem import ProblemResponse, refuse
from runtime.http.request import principal_of
from runtime.http.routes import Params, Route
from runtime.http.waiting import Wait, result_of
from runtime.principal import Caller
from runtime.process import operations
from runtime.process.operations import Begun, digest, once_only
from runtime.registry import StartableWorkflow
from runtime.registry.problems import did_you_mean

KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
#: What the query string says of a start, but for the run's id.
PARAMETERS = ("wait", "timeout", "grace", "start_delay", "worker")
_MAX_KEY = 255
_MAX_ID = 1000
_RETRY_AFTER = "1"


class Starting:
    def __init__(self, backend: Backend, body_timeout: float) -> None:
        self._backend = backend
        self._body_timeout = body_timeout

    def routes(self) -> list[Route]:
        return [Route("POST", f"{API}/workflows/{{entry}}", self.post, query=("id", *PARAMETERS))]

    async def post(self, request: web.BaseRequest, params: Params) -> web.Response:
        entry = self.workflow(params["entry"])
        key, wait = _key(request), Wait(request)
        body = await read_json(request, self._body_timeout)
        memo = None if key is None else {"key": digest(entry.id, key, principal_of(request)), "body": body.digest()}
        start = _start_request(request, entry, body, memo)
        begun = await self.once(start, f"{KEY_HEADER} was used before with another body")
        return await self.answer(request, begun, started_document(begun), wait)

    async def answer(
        self, request: web.BaseRequest, begun: Begun, content: Mapping[str, Any], wait: Wait
    ) -> web.Response:
        """The run's result when it comes while the client waits for it, else 202. Whoever may not read the result does not wait."""
        run, headers = begun.started.id, {**_headers(begun), **wait.headers}
        try:
            value = await result_of(request, self._backend, run, wait.seconds) if wait.seconds else None
        except ProblemResponse as problem:
            problem.headers |= headers
            raise
        except Refusal:
            value, headers = None, _headers(begun)
        if value is None:
            return json_response(content, 202, {**headers, "Retry-After": _RETRY_AFTER})
        return payload_response(value, headers=headers)

    async def once(self, start: StartRequest, other: str) -> Begun:
        """Starts a run, or finds the one that was started with this key. Answers 422, saying `other`, when that had another body."""
        workflows, used = self._backend.workflows_for(start.caller.principal), conflict(other)
        try:
            return await operations.once(workflows, self._backend.workflows, start, used)
        except Error as error:
            if error is used:
                raise refuse(422, other, **(error.details or {})) from None
            raise

    def workflow(self, name: str) -> StartableWorkflow:
        """The entry of an id or a workflow type. Answers 404."""
        registry = self._backend.registry
        entry = registry.get(name)
        found = registry.find_startable(name)
        if found is None:
            what = "is not a workflow" if entry is not None else "is not in the registry"
            hint = did_you_mean(
                name, [known.id for known in registry.entries.values() if isinstance(known, StartableWorkflow)]
            )
            text = f"{name[:200]} {what}"
            raise refuse(404, f"{text}; {hint}" if hint else text, entry=name[:200])
        return found


def _start_request(
    request: web.BaseRequest, entry: StartableWorkflow, body: JsonBody, memo: Mapping[str, str] | None
) -> StartRequest:
    options = {"id_conflict_policy": "fail", **times(request)}
    run_id = request.query.get("id")
    if run_id is not None and not 0 < len(run_id) <= _MAX_ID:
        raise refuse(400, f"?id= must have 1 to {_MAX_ID} characters", parameter="id")
    if memo is not None:
        run_id = run_id or f"{entry.name}-{memo['key'][:32]}"
        options |= once_only(memo)
    return StartRequest(
        entry.id,
        body.args,
        id=run_id,
        worker=request.query.get("worker") or None,
        options=options,
        caller=Caller(principal=principal_of(request)),
    )


def times(request: web.BaseRequest) -> dict[str, Any]:
    """Workflow options of the parameters `timeout`, `grace` and `start_delay`. Answers 400."""
    options: dict[str, Any] = {}
    for parameter, option in (("timeout", "budget"), ("grace", "budget_grace"), ("start_delay", "start_delay")):
        text = request.query.get(parameter)
        if text is not None:
            options[option] = round(duration(parameter, text).total_seconds() * 1000)
            if parameter == "timeout" and not options[option]:
                raise refuse(
                    400,
                    f"?timeout={text[:40]} leaves the run no time: leave it out for a run without a budget",
                    parameter=parameter,
                )
    return options


def started_document(begun: Begun) -> dict[str, Any]:
    started = begun.started
    return {
        "id": started.id,
        "run_id": started.run_id,
        "pid": started.pid,
        "status": begun.status,
        "links": run_links(started.id),
    }


def _headers(begun: Begun) -> dict[str, str]:
    headers = {"Location": run_path(begun.started.id)}
    return headers if begun.started.created else {**headers, REPLAYED_HEADER: "true"}


def _key(request: web.BaseRequest) -> str | None:
    key = request.headers.get(KEY_HEADER)
    if key is not None and not 0 < len(key) <= _MAX_KEY:
        raise refuse(400, f"{KEY_HEADER} must have 1 to {_MAX_KEY} characters")
    return key
