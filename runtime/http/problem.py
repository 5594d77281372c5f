"""The form of every failure: RFC 9457 `application/problem+json`. Nothing of the host's inside is ever in one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

from runtime.errors import (
    CANCELED,
    CONFLICT,
    INTERNAL,
    INVALID,
    KINDS,
    LIMIT_EXCEEDED,
    NOT_FOUND,
    PERMISSION_DENIED,
    RATE_LIMITED,
    TIMEOUT,
    UNAVAILABLE,
    Error,
)

CONTENT_TYPE = "application/problem+json"

#: Where a reader learns what a kind means. Relative, so that it is good on whatever host serves it.
DOCS = "/docs/errors#"
#: The anchor of all kinds that are the application's own.
OWN_KINDS = "own"
#: The anchor of the problem that is no failure of the request: the run that it asks about has failed.
RUN_FAILED = "run-failed"

_FALLBACK_KIND: Mapping[int, str] = {
    400: INVALID,
    401: PERMISSION_DENIED,
    403: PERMISSION_DENIED,
    404: NOT_FOUND,
    405: INVALID,
    408: TIMEOUT,
    409: CONFLICT,
    413: LIMIT_EXCEEDED,
    415: INVALID,
    422: INVALID,
    429: RATE_LIMITED,
    499: CANCELED,
    503: UNAVAILABLE,
    504: TIMEOUT,
}
_TITLES: Mapping[int | str, str] = {499: "Canceled", RUN_FAILED: "Run failed"}
_LUA_FRAME = re.compile(r"(?P<file>[^\s:\"'\[\]]+\.lua):(?P<line>\d+)")


class ProblemResponse(Exception):
    """An error that a handler raises to answer with a status that the error's kind alone does not give.

    `problem_type` is the anchor of another type than that of the error's kind, `more` are further members of the document.
    """

    def __init__(
        self,
        status: int,
        error: Error,
        headers: Mapping[str, str] | None = None,
        *,
        problem_type: str | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(str(error))
        self.status = status
        self.error = error
        self.headers = dict(headers or {})
        self.problem_type = problem_type
        self.more = dict(more or {})


def refuse(status: int, message: str, *, headers: Mapping[str, str] | None = None, **details: Any) -> ProblemResponse:
    """A `ProblemResponse` of the kind that goes with `status`."""
    error = Error(_FALLBACK_KIND.get(status, INTERNAL), message, retryable=status in (429, 503), details=details)
    return ProblemResponse(status, error, headers)


def slug(kind: str) -> str:
    """The anchor of a kind on the page of kinds."""
    if kind not in KINDS:
        return OWN_KINDS
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind or "unknown").lower()


def lua_location(error: Error) -> dict[str, Any] | None:
    """`{file, line}` of the innermost Lua frame the error (or what caused it) knows of."""
    current: Error | None = error
    while current is not None:
        found = _LUA_FRAME.search(current.stack or "") or _LUA_FRAME.match(current.message)
        if found:
            return {"file": found["file"], "line": int(found["line"])}
        current = current.cause
    return None


def document(error: Error, status: int, instance: str, problem_type: str | None = None) -> dict[str, Any]:
    """The problem as a JSON object."""
    body: dict[str, Any] = {
        "type": f"{DOCS}{problem_type or slug(error.kind)}",
        "title": _TITLES.get(problem_type or status) or _phrase(status),
        "status": status,
        "detail": str(error),
        "instance": instance,
        "kind": error.kind,
        "retryable": error.is_retried,
        "details": error.details or {},
    }
    location = lua_location(error)
    if location:
        body["lua"] = location
    if error.stack:
        body["stack"] = error.stack.splitlines()
    return body


def response(
    error: Error, instance: str, status: int | None = None, headers: Mapping[str, str] | None = None
) -> web.Response:
    """The answer for `error`; `status` overrides what its kind says."""
    code = status or error.http_status
    text = json.dumps(document(error, code, instance), ensure_ascii=True, default=str)
    return web.Response(status=code, text=text, content_type=CONTENT_TYPE, headers=headers)


def answer(problem: ProblemResponse, instance: str) -> web.Response:
    """What a handler raised, as the answer."""
    content = {**document(problem.error, problem.status, instance, problem.problem_type), **problem.more}
    text = json.dumps(content, ensure_ascii=True, default=str)
    return web.Response(status=problem.status, text=text, content_type=CONTENT_TYPE, headers=problem.headers)


def from_status(status: int, instance: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """The answer for a bare HTTP status, such as the ones the server itself gives."""
    error = Error(_FALLBACK_KIND.get(status, INTERNAL), _phrase(status), retryable=status in (429, 503))
    return response(error, instance, status, headers)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
