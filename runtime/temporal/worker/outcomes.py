"""What the attempts of an activity came to, so that the history of a run has it of each of them.

The server keeps the failure of the latest attempt only. So each attempt that fails hands what is known to the next one, as a second detail of
its heartbeat, and puts it into its failure: the last failure that the server records has them all. Of an attempt that died with its worker there is
nothing to know; it is the one that is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from temporalio import activity

from runtime.errors import Error

#: How many are kept, from both ends, and how much of the text of each.
_FIRST, _LAST, _TEXT = 10, 40, 300

Outcomes = list[dict[str, Any]]


def before(info: activity.Info) -> Outcomes:
    """Those of the attempts before this one."""
    details = info.heartbeat_details
    told = details[1] if len(details) > 1 else None
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


def with_this(earlier: Sequence[dict[str, Any]], info: activity.Info, error: Error) -> Outcomes:
    this: dict[str, Any] = {
        "attempt": info.attempt,
        "outcome": "retry" if error.is_retried else "fail",
        "kind": error.kind,
        "message": error.message[:_TEXT],
        "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    after = (error.details or {}).get("retry_after")
    if isinstance(after, int | float) and error.is_retried:
        this["retry_after_ms"] = after
    every = [*earlier, this]
    return every if len(every) <= _FIRST + _LAST else [*every[:_FIRST], *every[-_LAST:]]
