"""The contract of stream stores, and their bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from runtime.contracts import Cursor, RunEvent
from runtime.modules.stream.record import PublishedBatch


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a store keeps of one run at most; the oldest goes first. `keep`: seconds for which it is kept when nobody adds to it any more."""

    events: int = 100_000
    bytes: int = 64 * 1024**2
    keep: float = 86400.0


DEFAULT = Bounds()
#: For how many times `keep` it is known that there was a log, so that who comes back is told that something is missing.
REMEMBERED = 30


@dataclass(frozen=True, slots=True)
class Edges:
    """The ends of a log: the ids of its first and last event, None for an empty one; `dropped` says up to which number it is kept no more."""

    first: Cursor | None = None
    last: Cursor | None = None
    dropped: int = 0

    def has_lost(self, after: Cursor) -> bool:
        """Whether events that came after this one are kept no more."""
        if after.seq > (self.last.seq if self.last else self.dropped):
            return True  # a log of before: it was dropped whole
        if not self.dropped or after.seq >= self.dropped:
            return False
        return self.first is None or after < self.first


class StreamStore(Protocol):
    """A log for each chain of runs. Every method raises `runtime.errors.Error` (UNAVAILABLE, ...) and nothing else."""

    async def append(self, batches: Sequence[PublishedBatch]) -> None:
        """Adds what is new of each batch (`record.admitted`). One batch for each log. To append again what was appended changes nothing.
        What is only live is added to logs that there are: nobody has followed the others."""
        ...

    async def mark(self, log: str, event: int) -> None:
        """What is added from now on comes after the history's event of that number."""
        ...

    async def read(self, log: str, after: Cursor, limit: int = 1000) -> list[RunEvent]:
        """The first events after a cursor, in order: about `limit` of them, none only when there are none."""
        ...

    async def edges(self, log: str) -> Edges: ...
    async def changed(self, log: str, seq: int) -> None:
        """Returns when the log may have an event of a greater number than `seq`."""
        ...

    async def sweep(self) -> None:
        """Removes the events of logs that nobody has added to for `Bounds.keep`; their last numbers are known for much longer (`REMEMBERED`)."""
        ...

    async def close(self) -> None: ...
