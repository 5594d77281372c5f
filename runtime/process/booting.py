"""The boot record of an execution: what the kernel is told before it begins."""

from __future__ import annotations

import base64
import secrets
from typing import Any

from runtime.contracts import HttpRequest
from runtime.process.execution import Call


def boot_of(call: Call) -> dict[str, Any]:
    """The kernel's boot table for a call."""
    info: dict[str, Any] = {"sender": call.sender}
    kind = "process" if call.host is not None else "function"
    if call.activity is not None:
        kind = "activity"
        info["activity"] = {**call.activity.info, "idempotency_key": call.activity.idempotency_key}
    if call.request is not None:
        kind = "handler"
        info["request"] = _request(call.request)
    if call.message is not None:
        message = call.message
        info["message"] = {"id": message.id, "attempt": message.attempt, "headers": dict(message.headers)}
    return {
        "class": kind,
        "pid": call.pid,
        "entry": call.entry.id,
        "seed": secrets.randbits(63),
        "ctx": dict(call.context),
        "info": info,
        **call.principal.boot(),
    }


def _request(request: HttpRequest) -> dict[str, Any]:
    """A body that is not text goes as `body64`, one that is still arriving has `more`; see `modules/http/request.lua`."""
    fields: dict[str, Any] = {
        "method": request.method,
        "path": request.path,
        "host": request.host,
        "remote_addr": request.remote_addr,
        "query": {name: list(values) for name, values in request.query.items()},
        "headers": dict(request.headers),
        "params": dict(request.params),
        "more": request.rest is not None,
    }
    try:
        return fields | {"body": request.body.decode()}
    except UnicodeDecodeError:
        return fields | {"body64": base64.b64encode(request.body).decode()}
