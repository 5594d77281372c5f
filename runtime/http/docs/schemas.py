"""The schemas that the answers of several routes share."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.http.openapi_types import ANY, OBJECT, TEXT, Json, table

_STATUSES = ["RUNNING", "COMPLETED", "FAILED", "CANCELED", "TERMINATED", "TIMED_OUT", "CONTINUED_AS_NEW"]
_STARTED = {"id": TEXT, "run_id": TEXT, "pid": TEXT, "status": {"enum": _STATUSES}, "links": OBJECT}
_COMMAND = {"domain": TEXT, "event_type": TEXT, "biz_key": TEXT, "idem_key": TEXT}
_MAYBE_TEXT: Json = {"type": ["string", "null"]}

SCHEMAS: Mapping[str, Json] = {
    "Problem": table(
        "type", "title", "status", "detail", "instance", "kind", "retryable", "details",
        type=TEXT, title=TEXT, status={"type": "integer"}, detail=TEXT, instance=TEXT, kind=TEXT,
        retryable={"type": "boolean"}, details=OBJECT, stack={"type": "array", "items": TEXT},
        lua=table("file", "line", file=TEXT, line={"type": "integer"}),
    ),
    "Started": table(*_STARTED, **_STARTED),
    "Command": table(*_COMMAND, "payload", **_COMMAND, payload=ANY),
    "Operation": table(
        "op_id", "state", *_COMMAND, *_STARTED,
        op_id=TEXT, state={"enum": ["PENDING", "IN_PROGRESS", "COMPLETED", "FAILED"]}, **_COMMAND, **_STARTED,
    ),
    "Run": table(
        *_STARTED, "entry", "state",
        **_STARTED, entry=TEXT, state={"enum": ["pending", "in_progress", "completed", "failed", "wedged"]}, task_queue=TEXT,
        started_at=_MAYBE_TEXT, closed_at=_MAYBE_TEXT, history_length={"type": "integer"}, bundle=_MAYBE_TEXT, details=ANY, progress=OBJECT,
        failure={"type": ["object", "null"]}, pending={"type": "array", "items": OBJECT}, stack={"type": "array", "items": OBJECT},
        warnings={"type": "array", "items": TEXT},
    ),
}  # fmt: skip
