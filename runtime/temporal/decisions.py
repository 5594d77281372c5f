"""Decisions a run makes once: recorded as Temporal patches when live, read back when replaying.

What a worker knows (which entries exist, which search attributes are declared) changes with a deploy; what a run was told
must not. So a refusal leaves a marker in history, and a replay believes the marker, not the registry of the day.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from temporalio import workflow

from runtime.errors import Error, invalid
from runtime.payload import Payload
from runtime.temporal import wire

#: Each version a run may be on is asked for by itself, so a range is bounded.
MAX_VERSIONS = 1000


def refused(marker: str, live: Callable[[], bool]) -> bool:
    """Whether this call is refused: `live()` decides and is recorded, in a replay the record does."""
    if workflow.unsafe.is_replaying() or live():
        return workflow.patched(marker)
    return False


def check_size(what: str, payloads: Sequence[Payload], stored: int | None, at: str) -> None:
    """As `wire.check_size`, at one place of a run: that a large value was let pass, for a payload store takes it, is recorded.

    Without a marker what was refused stays so when a store comes, and what was let pass when it goes.
    """
    try:
        wire.check_size(what, payloads)
    except Error:
        if not workflow.unsafe.is_replaying():
            wire.check_size(what, payloads, stored)
        if not workflow.patched(wire.STORED_MARKER.format(at=at)):
            raise


def version(change: str, minimum: int, maximum: int) -> int:
    """`workflow.version`: the version this run is on at this change.

    The highest recorded one counts; a live run records `maximum`. A run that passed here before the change existed has no
    record and is on version 1, or on `minimum` when that is lower. Asking further down than needed matters: a marker in
    history that is not asked for is a nondeterminism error. Raises `Error` INVALID when the run's version is out of range.
    """
    if maximum - min(minimum, 1) > MAX_VERSIONS:
        raise invalid(f'version of "{change}": {minimum} to {maximum} is more than {MAX_VERSIONS} versions')
    lowest = min(minimum, 1)
    recorded = (
        v for v in range(maximum, lowest - 1, -1) if workflow.patched(wire.VERSION_MARKER.format(id=change, version=v))
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


def patched(change: str) -> bool:
    """`workflow.patched`: Temporal's own meaning."""
    return workflow.patched(change)


def deprecate_patch(change: str) -> bool:
    """`workflow.deprecate_patch`: Temporal's own meaning; always true."""
    workflow.deprecate_patch(change)
    return True


#: What a step may ask its host, by the name the kernel uses.
QUESTIONS: dict[str, Callable[..., Any]] = {
    "workflow.version": version,
    "workflow.patched": patched,
    "workflow.deprecate_patch": deprecate_patch,
}
