"""What happens to a run, as events that clients follow: the port, whoever keeps the runs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from runtime.errors import invalid

_CURSOR = re.compile(r"(?P<event>[0-9]{1,18})\.(?P<seq>[0-9]{1,18})")


class Cursor(NamedTuple):
    """Where in a run's events somebody is. Later events have greater ones, also across continue-as-new."""

    event: int
    seq: int = 0

    def __str__(self) -> str:
        return f"{self.event}.{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Raises `Error` INVALID for what is none."""
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise invalid(f"{text[:40]!r} is not the id of an event: expected <integer>.<integer>")
        return cls(int(found["event"]), int(found["seq"]))


@dataclass(frozen=True, slots=True)
class RunEvent:
    """`data` is JSON; its `at` is when it happened, RFC 3339. A `reset` has no id: what follows begins from the beginning."""

    id: Cursor | None
    name: str
    data: Mapping[str, Any] = field(default_factory=dict)


RESET = RunEvent(None, "reset")
#: After one of these there is nothing more.
TERMINAL = frozenset({"completed", "failed", "canceled", "terminated", "timed_out"})


class EventFeed(Protocol):
    """The events of a run after a cursor, for one reader."""

    @property
    def is_over(self) -> bool:
        """Whether its reader has had the run's last event."""
        ...

    def __aiter__(self) -> AsyncIterator[RunEvent]:
        """Ends after the last event of a closed run. Raises `Error` when the run is no longer there."""
        ...
