"""The boot record of an execution: what the kernel is told before it begins."""

from __future__ import annotations

import base64
import os
from functools import partial
from typing import Any

from runtime.contracts import HttpRequest
from runtime.process.execution import Call


def boot_of(call: Call) -> dict[str, Any]:
    """The kernel's boot table for a call. Few functions ask for what is in `info`."""
    return {
        "class": _class(call),
        "pid": call.pid,
        "entry": call.entry.id,
        "seed": int.from_bytes(os.urandom(8)) >> 1,
        "ctx": call.caller.context,
        "info": partial(_info, call),
        **call.caller.principal.boot(),
    }


def _class(call: Call) -> str:
    if call.trigger.request is not None:
        return "handler"
    if call.trigger.activity is not None:
        return "activity"
    return "process" if call.host is not None else "function"


def _info(call: Call) -> dict[str, Any]:
    info: dict[str, Any] = {"sender": call.caller.sender}
    if call.trigger.activity is not None:
        info["activity"] = {**call.trigger.activity.info, "idempotency_key": call.trigger.activity.idempotency_key}
    if call.trigger.request is not None:
        info["request"] = _request(call.trigger.request)
    if call.trigger.message is not None:
        message = call.trigger.message
        info["message"] = {"id": message.id, "attempt": message.attempt, "headers": dict(message.headers)}
    return info


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
