"""What Evermoon's own routes do, as data for OpenAPI. A test holds that each of them is here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime.http.paths import API

Json = Mapping[str, Any]

ANY: Json = {}
TEXT: Json = {"type": "string"}
OBJECT: Json = {"type": "object"}


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def table(*required: str, **properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(required)}


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    says: str
    schema: Json = field(default_factory=lambda: dict(TEXT))
    place: str = "query"


@dataclass(frozen=True, slots=True)
class ApiOperation:
    """`answers`: by status what it means, and the schema of its JSON or the content type of anything else.
    `yields`: an endpoint of the registry may have the path."""

    summary: str
    answers: Mapping[int, tuple[str, Json | str | None]]
    parameters: tuple[Parameter, ...] = ()
    body: Json | None = None
    needs_body: bool = False
    yields: bool = False


_RUN = f"{API}/runs/{{id}}"
_WORKER = Parameter("worker", "The temporal.worker, or queue, it runs on; default: that of its entry.")
_TIMEOUT = Parameter(
    "timeout", "The run's time budget, a Go duration: after it the run is canceled, and fails as timed out."
)
_GRACE = Parameter(
    "grace", "How long it may compensate then, a Go duration; default: a tenth of its budget, at least 10s."
)
_DELAY = Parameter("start_delay", "How long the run waits before its first step, a Go duration.")
_STACK = Parameter(
    "stack",
    "Whether it is asked where its Lua code waits; by default, and with `true` also a run whose long history has to be replayed for that.",
    {"type": "boolean"},
)
_REASON = table(reason=TEXT)
_DONE: Mapping[int, tuple[str, Json | str | None]] = {
    202: ("It has been asked to.", table("id", "links", id=TEXT, links=OBJECT))
}
_RUN_FAILED = ("The run has failed.", "run-failed")


def _accepted(schema: str) -> Mapping[int, tuple[str, Json | str | None]]:
    return {
        200: ("The run has ended while the client waited: its result. Location is the run.", ANY),
        202: ("Accepted; Location is the run.", ref(schema)),
        409: ("The run has failed while the client waited; or an open run has its id.", "run-failed"),
    }


def _whole(default: int, most: int) -> Json:
    return {"type": "integer", "minimum": 1, "maximum": most, "default": default}


_NAMESPACE = Parameter(
    "X-Namespace", "The Temporal namespace whose client is meant; default: that of the first.", place="header"
)
_WAIT = Parameter("wait", "How long to wait for the result: seconds or a Go duration, at most 300 s.")
_PREFER = Parameter("Prefer", "`wait=5`: the same, where no parameter says it (RFC 7240).", place="header")

STARTING = (
    Parameter("Idempotency-Key", "With it the run is started once, however often it is asked for.", place="header"),
    Parameter("id", "The run's id; one that an open run has is refused with 409."),
    _WORKER,
    _TIMEOUT,
    _GRACE,
    _DELAY,
    _WAIT,
    _PREFER,
)

OWN: Mapping[str, ApiOperation] = {
    f"POST {API}/workflows/{{entry}}": ApiOperation(
        "Start a run of a workflow; the body is its argument", _accepted("Started"), STARTING, ANY
    ),
    f"POST {API}/operations/{{entry}}": ApiOperation(
        "Accept a command, once, and execute it by a workflow",
        _accepted("Operation"),
        (_WORKER, _TIMEOUT, _GRACE, _DELAY, _WAIT, _PREFER),
        ref("Command"),
        needs_body=True,
    ),
    f"POST {API}/codec/decode": ApiOperation(
        "Payloads as they were before they were encrypted or stored: a codec server of Temporal's UI and CLI",
        {200: ("The payloads; stored ones of more than 8 MiB as they are.", ref("Payloads"))},
        (_NAMESPACE,),
        ref("Payloads"),
        needs_body=True,
    ),
    f"POST {API}/codec/encode": ApiOperation(
        "Payloads as the clients of the namespace would send them",
        {200: ("The payloads.", ref("Payloads"))},
        (_NAMESPACE,),
        ref("Payloads"),
        needs_body=True,
    ),
    f"GET {API}/operations/{{id}}": ApiOperation(
        "One operation: its command, state, and what each attempt came to",
        {
            200: (
                "The operation.",
                table(
                    "op_id",
                    "entry",
                    "state",
                    "command",
                    "attempts",
                    op_id=TEXT,
                    entry=TEXT,
                    state=TEXT,
                    command=OBJECT,
                    attempts={"type": "array", "items": OBJECT},
                ),
            )
        },
    ),
    f"GET {API}/runs": ApiOperation(
        "The runs, newest first",
        {
            200: (
                "A page of them.",
                table(
                    "runs",
                    "count",
                    "page",
                    runs={"type": "array", "items": OBJECT},
                    count={"type": "integer"},
                    page={"type": "integer"},
                    next_page_token=TEXT,
                    partial={"type": "boolean"},
                    links=OBJECT,
                ),
            )
        },
        (
            Parameter("query", "A Temporal visibility query."),
            Parameter("page_token", "The next_page_token of the page before; links.next has it."),
            Parameter("page", "Which page, among the first 10,000 runs.", _whole(1, 1000)),
            Parameter("limit", "How many on a page.", _whole(50, 1000)),
        ),
    ),
    f"GET {_RUN}": ApiOperation(
        "One run: its state, what is pending, where its Lua code waits", {200: ("The run.", ref("Run"))}, (_STACK,)
    ),
    f"GET {_RUN}/result": ApiOperation(
        "The run's result; a problem when it failed",
        {200: ("The result.", ANY), 202: ("It still runs.", OBJECT), 409: _RUN_FAILED},
        (_WAIT, _PREFER),
    ),
    f"GET {_RUN}/events": ApiOperation(
        "What happens to the run, as Server-Sent Events, until it ends",
        {200: ("The stream.", "text/event-stream"), 204: ("There is nothing after this event.", None)},
        (
            Parameter("Last-Event-ID", "The id of the last event that was heard.", place="header"),
            Parameter("last_event_id", "The same, where no header can be set."),
            Parameter("only", "`stream`: what is published, and the run's end."),
            Parameter("names", "Of what is published only these streams, with commas between."),
        ),
    ),
    f"GET {_RUN}/history": ApiOperation(
        "The run's history, as evermoon replay reads it", {200: ("The history.", OBJECT)}
    ),
    f"POST {_RUN}/signals/{{topic}}": ApiOperation("Send a message; the body is its payload", _DONE, (), ANY),
    f"POST {_RUN}/queries/{{name}}": ApiOperation(
        "Ask; the body is the argument", {200: ("The answer.", ANY)}, (), ANY
    ),
    f"POST {_RUN}/updates/{{name}}": ApiOperation(
        "Change; the body is the argument", {200: ("The answer.", ANY), 422: ("The run refuses.", "problem")}, (), ANY
    ),
    f"POST {_RUN}/cancel": ApiOperation("Ask the run to end; it may compensate first", _DONE, (), _REASON),
    f"POST {_RUN}/terminate": ApiOperation("End the run without asking it", _DONE, (), _REASON),
    f"GET {API}/processes": ApiOperation(
        "The processes of this host, oldest first",
        {
            200: (
                "Some of them.",
                table("processes", "count", processes={"type": "array", "items": OBJECT}, count={"type": "integer"}),
            )
        },
        (Parameter("limit", "How many are shown.", _whole(1000, 10_000)),),
    ),
    f"GET {API}/processes/{{pid}}": ApiOperation(
        "One process: whom it watches, where its Lua code waits", {200: ("The process.", OBJECT)}, (_STACK,)
    ),
    f"GET {API}/schedules": ApiOperation(
        "The schedules on the servers of the registry's workers",
        {
            200: (
                "All of them.",
                table("schedules", "count", schedules={"type": "array", "items": OBJECT}, count={"type": "integer"}),
            )
        },
    ),
    f"GET {API}/entries": ApiOperation(
        "The workflows that can be started",
        {
            200: (
                "All of them.",
                table("entries", "count", entries={"type": "array", "items": OBJECT}, count={"type": "integer"}),
            )
        },
    ),
    f"GET {API}/entries/{{id}}": ApiOperation(
        "One workflow, with its schemas and source", {200: ("The entry.", OBJECT)}
    ),
    "GET /healthz": ApiOperation("Whether the process answers", {200: ("It does.", OBJECT)}),
    "GET /readyz": ApiOperation("Whether Temporal answers and the workers poll", {200: ("They do.", OBJECT)}),
    "GET /metrics": ApiOperation(
        "What was counted, in the form Prometheus reads", {200: ("The counts.", "text/plain")}
    ),
    "GET /openapi.json": ApiOperation("This document", {200: ("OpenAPI 3.1.", OBJECT)}),
    "GET /docs": ApiOperation("The same, to be read", {200: ("A page.", "text/html")}),
    "GET /docs/errors": ApiOperation("What the kinds of errors mean", {200: ("A page.", "text/html")}),
    "GET /": ApiOperation("Leads to the page that shows runs", {302: ("/runs.", None)}, yields=True),
    "GET /runs": ApiOperation("The page that shows runs", {200: ("A page.", "text/html")}, yields=True),
    "GET /runs/{id}": ApiOperation("The same, with one run", {200: ("A page.", "text/html")}, yields=True),
    "GET /_evermoon/{file...}": ApiOperation("What that page is made of", {200: ("A script or style.", "text/plain")}),
}

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
    "RunFailed": {
        "allOf": [
            ref("Problem"),
            table("run", "message", run=table("id", "status", id=TEXT, status={"enum": _STATUSES}, links=OBJECT), message=TEXT),
        ]
    },
    "Started": table(*_STARTED, **_STARTED),
    "Payloads": table("payloads", payloads={"type": "array", "items": table(metadata={"type": "object", "additionalProperties": TEXT}, data=TEXT)}),
    "Command": table(*_COMMAND, "payload", **_COMMAND, payload=ANY),
    "Operation": table(
        "op_id", "state", *_COMMAND, *_STARTED,
        op_id=TEXT, state={"enum": ["PENDING", "IN_PROGRESS", "COMPLETED", "FAILED"]}, **_COMMAND, **_STARTED,
    ),
    "Run": table(
        *_STARTED, "entry", "state",
        **_STARTED, entry=TEXT, state={"enum": ["pending", "in_progress", "completed", "failed", "wedged", "unknown"]}, task_queue=TEXT,
        started_at=_MAYBE_TEXT, closed_at=_MAYBE_TEXT, history_length={"type": "integer"}, continue_as_new_suggested={"type": "boolean"}, bundle=_MAYBE_TEXT, details=ANY, progress=OBJECT,
        failure={"type": ["object", "null"]}, cancel={"type": ["object", "null"]}, pending={"type": "array", "items": OBJECT}, stack={"type": "array", "items": OBJECT},
        warnings={"type": "array", "items": TEXT},
    ),
}  # fmt: skip
