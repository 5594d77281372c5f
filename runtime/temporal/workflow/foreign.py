"""Activities and workflows of elsewhere, as a run calls them: by their own type, and held to the schemas of their entries.

What a schema decides is recorded, since the schema may be another one in a replay.
"""

from __future__ import annotations

from typing import Any

from runtime.errors import Error, invalid
from runtime.lua.protocol import Command
from runtime.payload import Payload
from runtime.registry import Entry, Foreign, Registry, TemporalClient, TemporalWorker
from runtime.registry.foreign import check_input, unfit_result
from runtime.temporal import failures, wire
from runtime.temporal.workflow.run import Run


def type_of(run: Run, entry_id: str, entry: Entry | None) -> str:
    """As the run has known it from its start; one that was deployed since goes by what it says now."""
    kept = run.calls.get(entry_id, {}).get("type") if run.calls is not None else None
    return kept or (entry.type if isinstance(entry, Foreign) else entry_id)


def place_of(entry: Entry | None) -> str | None:
    """The worker or the queue that it names."""
    return (entry.worker or entry.task_queue) if isinstance(entry, Foreign) else None


def refuse_unfit(run: Run, entry: Entry | None, command: Command) -> None:
    """Raises `Error` INVALID before anything is sent: for arguments that do not fit, and for what this run's namespace does not reach."""
    problem: list[Error] = []

    def check() -> bool:
        try:
            if isinstance(entry, Foreign):
                _check_namespace(run, entry)
                check_input(entry, command.args)
        except Error as error:
            problem.append(error)
        return bool(problem)

    if run.refused(wire.REFUSED_MARKER.format(op="foreign", seq=command.seq), check):
        check()
        raise problem[0] if problem else invalid(f"input of {command.data['id']}: it does not fit")


def error_of(run: Run, entry_id: str, failure: BaseException) -> Error:
    """Errors of elsewhere have types of their own."""
    return failures.from_failure(failure, elsewhere=isinstance(run.host.registry.get(entry_id), Foreign))


def judged(run: Run, entry_id: str, value: Payload | Error, seq: int) -> Payload | Error:
    """The value, or the error that it does not fit."""
    entry = run.host.registry.get(entry_id)
    has_schema = isinstance(entry, Foreign) and entry.result_schema is not None
    if not isinstance(value, Payload) or not (has_schema or run.may_have_been_refused):
        return value

    def unfit() -> Error | None:
        return unfit_result(entry, value) if isinstance(entry, Foreign) else None

    if run.refused(wire.REFUSED_MARKER.format(op="result", seq=seq), lambda: unfit() is not None):
        return unfit() or invalid(f"result of {entry_id}: it does not fit")
    return value


def _check_namespace(run: Run, entry: Foreign) -> None:
    """A task for another namespace would wait for ever: activities and children are in that of their workflow."""
    registry = run.host.registry
    own, other = _namespace(registry, run.host.worker_id), _namespace(registry, entry.worker or entry.client)
    if own is not None and other is not None and own != other:
        raise invalid(
            f"{entry.id} is in the namespace {other}, and a workflow reaches its own, {own}: call it from a function",
            id=entry.id,
        )


def _namespace(registry: Registry, id: str | None) -> Any:
    """That of a worker or client; None when it is not known."""
    entry = registry.get(id) if id is not None else None
    client = registry.get(registry.resolve(entry).client) if isinstance(entry, TemporalWorker) else entry
    if not isinstance(client, TemporalClient):
        return None
    resolved = registry.resolve(client)
    return None if resolved.profile else resolved.temporal_namespace
