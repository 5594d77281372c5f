"""The records of how executions ended, kept for those who ask late."""

from __future__ import annotations

from collections import OrderedDict

from runtime.contracts import End
from runtime.errors import not_found

#: What is remembered: so many ends, and of their values so many bytes together.
ENDS = 20_000
BYTES = 32 * 1024 * 1024


class ExitRecords:
    """A bounded set of exit records by PID; the oldest are forgotten first."""

    def __init__(self, most: int = ENDS, most_bytes: int = BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._ends: OrderedDict[str, End] = OrderedDict()
        self._bytes = 0

    def add(self, pid: str, end: End) -> None:
        self._ends[pid] = end
        self._bytes += end.size
        while len(self._ends) > self._most or (self._bytes > self._most_bytes and len(self._ends) > 1):
            _, oldest = self._ends.popitem(last=False)
            self._bytes -= oldest.size

    def get(self, pid: str) -> End | None:
        return self._ends.get(pid)


def forgotten(pid: str, at: int) -> End:
    """The end of one that is known to have been, but not how it ended."""
    return End(at, error=not_found("end of process", pid, "it is no longer known"))
