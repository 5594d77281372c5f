"""The signals, queries and updates that a workflow entry declares under `meta.temporal.workflow`.

Declarations are of the registry of the day, not of a run's bundle: they guard the door, and nothing behind it depends on them.
An update or query that does not match its schema is refused before the script sees it. A signal cannot be refused: it is
delivered, with a warning.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from temporalio.api.sdk.v1 import WorkflowDefinition, WorkflowInteractionDefinition, WorkflowMetadata

from runtime.errors import NOT_FOUND, Error, invalid
from runtime.modules.json.module import validate
from runtime.payload import JSON, NOTHING, Payload
from runtime.process.host_port import log_line
from runtime.registry.problems import did_you_mean
from runtime.temporal import wire
from runtime.temporal.workflow.run import Run

SIGNAL, QUERY, UPDATE = "signal", "query", "update"
_FIELDS = {SIGNAL: "signals", QUERY: "queries", UPDATE: "updates"}

_BUILT_IN = {
    wire.QUERY_STACK: "every coroutine of the run: where it is and what it waits for",
    wire.QUERY_STATUS: "the last workflow.status",
    wire.QUERY_INBOX: "topics of unread messages",
    wire.QUERY_STACK_TRACE: "the same as text, for the Temporal UI",
    wire.QUERY_METADATA: "what a run can be sent and asked",
}


def check(run: Run, what: str, name: str, args: Sequence[Payload]) -> None:
    """Raises `Error` INVALID when the argument (null when there is none) does not match the declared schema."""
    schema = _schemas(run, what).get(name)
    if not schema:
        return
    argument = args[0] if args else NOTHING
    try:
        if argument.encoding != JSON:
            raise invalid("data is not JSON")
        validate(json.dumps(schema, default=dict).encode(), argument.data)
    except Error as error:
        raise Error(error.kind, f'{what} "{name}": {error.message}', retryable=False) from None


def meant(error: Error, name: str) -> Error:
    """The error of a query or an update of this name; of one that nobody answers, with the name that may be meant."""
    known = (error.details or {}).get("known")
    hint = did_you_mean(name, known) if error.kind == NOT_FOUND and isinstance(known, list) else None
    if hint:
        error.message = f"{error.message}; {hint}"
    return error


def warn(run: Run, name: str, args: Sequence[Payload]) -> None:
    """The check for a signal, which is delivered in any case."""
    if run.replaying:
        return
    try:
        check(run, SIGNAL, name, args)
    except Error as error:
        about: dict[str, Any] = {"pid": run.pid, "entry": run.info.workflow_type, "run_id": run.info.run_id}
        log_line("warn", f"{error.message}; delivered nevertheless", {**about, "at": None, "fields": {}})


def describe(run: Run) -> WorkflowMetadata:
    """What the Temporal UI shows of a run: what the entry declares, what the script has announced, and what every run answers."""
    definition = WorkflowDefinition(
        type=run.info.workflow_type,
        signal_definitions=_named(run, SIGNAL),
        query_definitions=_named(run, QUERY),
        update_definitions=_named(run, UPDATE),
    )
    return WorkflowMetadata(definition=definition, current_details=run.current_details)


def _named(run: Run, what: str) -> list[WorkflowInteractionDefinition]:
    schemas = _schemas(run, what)
    names = {*schemas, *run.announced.get(what, ()), *(_BUILT_IN if what == QUERY else ())}
    return list(_definitions(sorted(names), schemas))


def _definitions(names: Iterable[str], schemas: Mapping[str, Any]) -> Iterable[WorkflowInteractionDefinition]:
    for name in names:
        text = (schemas.get(name) or {}).get("description") or _BUILT_IN.get(name) or ""
        yield WorkflowInteractionDefinition(name=name, description=str(text))


def _schemas(run: Run, what: str) -> Mapping[str, Any]:
    entry = run.host.registry.find_workflow(run.info.workflow_type)
    if entry is None:
        return {}
    schemas: Mapping[str, Any] = getattr(entry.workflow, _FIELDS[what])
    return schemas
