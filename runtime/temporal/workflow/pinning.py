"""The pinning of a run to its code: it has that of the bundle it began with, for ever.

Who starts a run through us writes the hash of the newest bundle into a header. A run that somebody else started (the Temporal
CLI, another SDK, a schedule) takes the newest at its first task and records the choice as a patch marker, the one thing a
workflow can read back at once when it is replayed: a replay tries the markers of all bundles its type has had. Asking for one
that is not recorded costs nothing.

A worker that lacks the bundle fails the task and tries again. It never guesses: where no known bundle is recorded the newest is
right only for runs without a pin, and the server's history refuses it for all others, naming the marker, so the hash.
"""

from __future__ import annotations

from runtime.errors import Error
from runtime.registry import LATEST, WorkflowLua
from runtime.registry.problems import did_you_mean
from runtime.temporal import wire
from runtime.temporal.workflow.environment import BundleUnavailable, Pinned
from runtime.temporal.workflow.run import Run


class UnknownWorkflowType(Exception):
    """The error of a run whose type the registry does not know. It fails the workflow task, not the run: a deploy may add the type."""


def pin(run: Run) -> Pinned:
    """The code of the run that is being loaded. Raises `BundleUnavailable` or `UnknownWorkflowType`."""
    info, host = run.info, run.host
    entry = host.registry.find_workflow(info.workflow_type)
    # The runs of a cron schedule all have the headers of the first start, but each is a run that begins anew.
    chosen = "" if info.cron_schedule else wire.bundle_of(info.headers)
    try:
        if chosen and chosen != LATEST:
            return Pinned(host.programs.bundle(chosen), chosen, entry)
        if entry is None:
            raise UnknownWorkflowType(_unknown(run))
        return _newest(run, entry) if chosen else _recorded(run, entry)
    except Error as error:
        raise BundleUnavailable(f"workflow type {info.workflow_type}: {error.message}") from None


def _unknown(run: Run) -> str:
    registry, type = run.host.registry, run.info.workflow_type
    hint = did_you_mean(type, [registry.workflow_type(known) for known in registry.of_kind(WorkflowLua)])
    text = f'no entry of the registry runs workflow type "{type}"'
    return f"{text}; {hint}" if hint else text


def _newest(run: Run, entry: WorkflowLua) -> Pinned:
    return Pinned(run.host.programs.get(entry.id), None, entry)


def _recorded(run: Run, entry: WorkflowLua) -> Pinned:
    """The bundle that history records; at the first task, the newest one, recorded now."""
    programs = run.host.programs
    if run.replaying:
        hash = next((known for known in programs.known(entry.id) if _marked(run, known)), LATEST)
    else:
        hash = programs.pin(entry.id)
    if hash == LATEST or not _marked(run, hash):
        return _newest(run, entry)
    run.upsert_memo({wire.MEMO_BUNDLE: wire.summary(hash)})
    return Pinned(programs.bundle(hash), hash, entry)


def _marked(run: Run, hash: str) -> bool:
    return run.patched(wire.PIN_MARKER.format(hash=hash))
