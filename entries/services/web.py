"""What the four services share over HTTP: bodies, idempotency keys, problem+json errors, health and the log of calls."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from entries.services.ledger import KEY_REUSED, Answer, Call, Ledger
from evermoon.errors import INTERNAL, INVALID, NOT_FOUND, Error

Body = TypeVar("Body", bound=BaseModel)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LEDGER = web.AppKey("ledger", Ledger)
KEY_HEADER = "X-Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"

log = logging.getLogger("entries.services")


class Request(BaseModel):
    """A body: JSON with exactly the documented fields. Numbers are not guessed from text."""

    model_config = ConfigDict(extra="forbid", strict=True)


class SagaRequest(Request):
    """A body that says for which saga the call is made: the workflow id."""

    saga_id: str = Field(min_length=1)


def application(name: str, database: Path, schema: str) -> web.Application:
    """An aiohttp application with its ledger open, `/healthz` and `/calls`; the service adds its own routes."""
    app = web.Application(middlewares=[_problems])
    app[LEDGER] = Ledger(database, schema)

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "service": name})

    async def ledger(app: web.Application) -> AsyncIterator[None]:
        yield
        await app[LEDGER].close()

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/calls", _calls)
    app.cleanup_ctx.append(ledger)
    return app


async def body(request: web.Request, model: type[Body]) -> Body:
    """The body as `model`; raises INVALID that names each field and what is wrong with it."""
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}" for fault in error.errors()]
        raise Error(INVALID, "; ".join(faults), retryable=False) from None


async def mutate(
    request: web.Request,
    operation: str,
    asked: Request,
    change: Callable[[sqlite3.Connection], Answer],
    *,
    before: Callable[[], Awaitable[None]] | None = None,
) -> web.Response:
    """Answers with what `change` returned, now or the first time this key was used."""
    key = request.headers.get(KEY_HEADER)
    if not key:
        raise Error(INVALID, f"the header {KEY_HEADER} is missing", retryable=False)
    text = f"{request.method} {request.path} {json.dumps(asked.model_dump(), sort_keys=True)}"
    call = Call(key, operation, getattr(asked, "saga_id", ""), text)
    answer, repeated = await request.app[LEDGER].once(call, change, before=before)
    return web.json_response(answer, headers={REPLAYED_HEADER: "true"} if repeated else None)


async def _calls(request: web.Request) -> web.Response:
    """The mutating calls so far, oldest first; `?operation=` and `?saga_id=` narrow the list."""
    names = [name for name in ("operation", "saga_id") if name in request.query]
    where = " AND ".join(f"{name} = ?" for name in names) or "1"
    sql = f"SELECT operation, saga_id, key, outcome FROM calls WHERE {where} ORDER BY number"
    return web.json_response(await request.app[LEDGER].rows(sql, *(request.query[name] for name in names)))


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Error as error:
        return _problem(error, request)
    except web.HTTPException as error:
        kind = NOT_FOUND if error.status == 404 else INVALID
        return _problem(Error(kind, error.reason, retryable=False), request, status=error.status)
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return _problem(Error(INTERNAL, "the service failed; its log says why"), request)


def _problem(error: Error, request: web.Request, status: int | None = None) -> web.Response:
    problem: dict[str, Any] = {
        "title": error.kind,
        "status": status or (422 if error.kind == KEY_REUSED else error.http_status),
        "detail": error.message,
        "instance": request.path,
        "kind": error.kind,
        "retryable": error.is_retried,
        "details": error.details or {},
    }
    return web.json_response(problem, status=problem["status"], content_type="application/problem+json")
