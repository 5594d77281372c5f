"""Steps that spend their time before their budget, and how a run ends that cannot get past one.

Time is no property of a script, so such a step fails its task and is tried again: with more time each time, since a busy machine may be to
blame. After the last try the host records by a marker which step of the run that was, and ends the run; a replay ends it there without trying.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from runtime.errors import Error, limit_exceeded
from runtime.lua.protocol import Batch
from runtime.temporal import wire

#: How often a worker tries a step.
TRIES = 3
#: Seconds of its own processor time, several times what the usual budget needs: a step that had less has had no fair try.
FAIR = 1.0
#: Runs of which a worker remembers tries, and bytes of a place.
_MOST, _PLACE = 1000, 200


@dataclass(frozen=True, slots=True)
class Overrun:
    """A step that was tried often enough: its number among those of its run, and the line where the last try ended."""

    step: int
    at: str

    @property
    def marker(self) -> str:
        return wire.OVERTIME_MARKER.format(step=self.step, at=self.at)

    @property
    def final(self) -> Batch:
        place = f" at {self.at}" if self.at else ""
        text = f"time limit of a step spent{place} in each of {TRIES} tries: do less between two waits"
        return Batch("failed", error=limit_exceeded(text, limit="time", at=self.at))


def read(marker: str) -> Overrun | None:
    """The overrun that a marker in a history speaks of."""
    prefix, _, at = marker.partition("@")
    word, _, step = prefix.partition(":")
    return Overrun(int(step), at) if word == _WORD and step.isdecimal() else None


class Overtime:
    """What a worker remembers of the steps that spent their time. It is thread-safe."""

    def __init__(self) -> None:
        self._tries: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def tries(self, run_id: str, step: int) -> int:
        """How often this step of a run has spent its time here."""
        last, tries = self._tries.get(run_id, (0, 0))
        return tries if last == step else 0

    def add(self, run_id: str, step: int, batch: Batch, taken: float, task: float = 0) -> Overrun | None:
        """Another try has ended for time, after so many seconds of its own, and of its `task` with those before it.

        The overrun, when it was the last one. A step is not to blame for what others left it.
        """
        if taken < FAIR or task - taken > taken:
            return None
        with self._lock:
            tries = self.tries(run_id, step) + 1
            self._tries.pop(run_id, None)
            if tries >= TRIES:
                return Overrun(step, _place(batch.error))
            self._tries[run_id] = (step, tries)
            while len(self._tries) > _MOST:
                del self._tries[next(iter(self._tries))]
        return None


def _place(error: Error | None) -> str:
    at = str((error.details or {}).get("at") or "") if error is not None else ""
    return at.encode()[-_PLACE:].decode(errors="ignore")


_WORD = wire.OVERTIME_MARKER.partition(":")[0]
