"""The route `POST /api/v1/operations/{entry}`: a command of a domain is accepted once and executed by a workflow.

Accepting is the start of a run whose id follows from the command's domain and key, and the actor who sends it; the run's history is the write-ahead
log, its replay what finishes after a crash. `/api/v1/runs/{op_id}` is the operation from then on.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from runtime.contracts import StartRequest
from runtime.http.backend import Backend
from runtime.http.body import JsonBody, read_json
from runtime.http.paths import API
from runtime.http.problem import refuse
from runtime.http.request import principal_of
from runtime.http.routes import Params, Route
from runtime.http.starting import PARAMETERS, Starting, digest, once_only, started_document, times
from runtime.http.waiting import Wait
from runtime.principal import Caller

_TEXTS = ("domain", "event_type", "biz_key", "idem_key")
_FIELDS = (*_TEXTS, "payload")
_MAX_TEXT = 255
#: What clients of an operation know it by; a run that keeps failing its tasks is not over.
_STATES = {"pending": "PENDING", "completed": "COMPLETED", "failed": "FAILED"}


class Operations:
    def __init__(self, backend: Backend, body_timeout: float) -> None:
        self._starting = Starting(backend, body_timeout)
        self._body_timeout = body_timeout

    def routes(self) -> list[Route]:
        return [Route("POST", f"{API}/operations/{{entry}}", self.post, query=PARAMETERS)]

    async def post(self, request: web.BaseRequest, params: Params) -> web.Response:
        entry = self._starting.workflow(params["entry"])
        wait = Wait(request)
        body = await read_json(request, self._body_timeout)
        command = _command(body)
        key = digest(command["domain"], command["idem_key"], principal_of(request))
        memo = {"key": key, "body": digest(entry.id, body.digest())}
        start = StartRequest(
            entry.id,
            body.args,
            id=f"op-{key[:32]}",
            worker=request.query.get("worker") or None,
            options={"id_conflict_policy": "fail", **times(request), **once_only(memo)},
            caller=Caller(principal=principal_of(request)),
        )
        begun = await self._starting.once(start, memo, "idem_key was used before in its domain, with another command")
        document = {
            "op_id": begun.started.id,
            "state": _STATES.get(begun.state, "IN_PROGRESS"),
            **{name: command[name] for name in _TEXTS},
            **started_document(begun),
        }
        return await self._starting.answer(request, begun, document, wait)


def _command(body: JsonBody) -> dict[str, Any]:
    """The body, which is the workflow's argument as it stands. Answers 400."""
    command = body.value
    if not isinstance(command, dict):
        raise refuse(400, f"the body must be an object with {', '.join(_FIELDS)}")
    missing = [name for name in _FIELDS if name not in command]
    if missing:
        raise refuse(400, f"the command has no {', '.join(missing)}", missing=missing)
    for name in _TEXTS:
        if not isinstance(command[name], str) or not 0 < len(command[name]) <= _MAX_TEXT:
            raise refuse(400, f"{name} must be a text of 1 to {_MAX_TEXT} characters", field=name)
    return command
