"""The limits from which a history counts as long, and what is not asked of such a run any more.

Whoever takes a run up, after a restart or to answer a question, replays its history, within the ten seconds that the server
gives a task or a question. A script takes about half a millisecond for each event on an idle machine, so from some 18,000 on it does not fit.
"""

from __future__ import annotations

from runtime.errors import Error, limit_exceeded

#: From here on there is a warning: while there is time, on a machine that is busy, too. The server ends a run at 51,200 events or 50 MiB.
EVENTS = 10_000
BYTES = 20 * 1024 * 1024

#: From here on a run is ended by its host, which says why; the server would terminate it soon after, and say nothing to anybody. What is left is for
#: the commands that end it, and for what arrives meanwhile.
FULL_EVENTS = 49_000
FULL_BYTES = 46 * 1024 * 1024

_MEND = "let it begin anew in time, with process.upgrade where workflow.continue_as_new_suggested() says so"


def warning(events: int, size: int) -> str | None:
    """What is to be said of a history of that many events and bytes; None while it is short enough."""
    if events < EVENTS and size < BYTES:
        return None
    long = f"{events} events and {size / 1024 / 1024:.1f} MiB"
    return f"the history is long ({long}): whoever takes the run up replays all of it, which may not fit a task's ten seconds; {_MEND}"


def is_full(events: int, size: int) -> bool:
    return events >= FULL_EVENTS or size >= FULL_BYTES


def full(events: int, size: int) -> Error:
    """Why the host ends a run."""
    long = f"{events} events and {size / 1024 / 1024:.1f} MiB"
    text = f"the history of this run is full ({long}): {_MEND}"
    return limit_exceeded(text, limit="history", events=events, bytes=size)
