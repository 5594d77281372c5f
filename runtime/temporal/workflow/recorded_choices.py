"""The choices that a run makes once. They are recorded as Temporal patches when live and read back when replaying. `Run.refused` is the simplest of them."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.errors import Error, invalid
from runtime.lua.session import Questions
from runtime.payload import Payload
from runtime.temporal import wire
from runtime.temporal.workflow.run import Run

#: Each version a run may be on is asked for by itself, so a range is bounded.
MAX_VERSIONS = 1000


def check_size(run: Run, what: str, payloads: Sequence[Payload], at: str) -> None:
    """As `wire.check_size`, at one place of a run: that a large value was let pass, for a payload store takes it, is recorded.

    Without a marker what was refused stays so when a store comes, and what was let pass when it goes.
    """
    if sum([len(payload.data) for payload in payloads]) <= wire.MAX_BLOB:
        return
    try:
        wire.check_size(what, payloads)
    except Error:
        if not run.replaying:
            wire.check_size(what, payloads, run.host.stored)
        if not run.patched(wire.STORED_MARKER.format(at=at)):
            raise


def version(run: Run, change: str, minimum: int, maximum: int) -> int:
    """`workflow.version`: the version this run is on at this change.

    The highest recorded one counts; a live run records `maximum`. A run that passed here before the change existed has no
    record and is on version 1, or on `minimum` when that is lower. Asking further down than needed matters: a marker in
    history that is not asked for is a nondeterminism error. Raises `Error` INVALID when the run's version is out of range.
    """
    if maximum - min(minimum, 1) > MAX_VERSIONS:
        raise invalid(f'version of "{change}": {minimum} to {maximum} is more than {MAX_VERSIONS} versions')
    lowest = min(minimum, 1)
    recorded = (
        v for v in range(maximum, lowest - 1, -1) if run.patched(wire.VERSION_MARKER.format(id=change, version=v))
    )
    found = next(recorded, lowest)
    if found < minimum:
        raise invalid(
            f'this run is on version {found} of "{change}", the code supports {minimum} to {maximum}',
            version=found,
            min=minimum,
            max=maximum,
        )
    return found


def questions(run: Run) -> Questions:
    """What a step may ask its host, by the name the kernel uses."""
    return {
        "workflow.version": lambda change, minimum, maximum: version(run, change, minimum, maximum),
        "workflow.patched": run.patched,
        "workflow.deprecate_patch": lambda change: run.patched(change, deprecated=True) or True,
    }
