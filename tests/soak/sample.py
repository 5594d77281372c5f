"""What a Python process holds on to."""

from __future__ import annotations

import ctypes
import gc
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from runtime.lua.session import Session

_STATUS = Path("/proc/self/status")
#: Where memory can be measured.
MEASURABLE = _STATUS.exists()


@dataclass(frozen=True, slots=True)
class Sample:
    """`resident` in bytes, after everything that is not in use was given back to the system; `threads` of the system, `python_threads` of
    these Python's; `sessions` of Lua that are open; `objects` the garbage collector knows."""

    resident: int
    threads: int
    python_threads: int
    sessions: int
    objects: int


def sample() -> Sample:
    gc.collect()
    objects = gc.get_objects()
    sessions = sum(isinstance(item, Session) and getattr(item, "_interpreter", None) is not None for item in objects)
    count = len(objects)
    del objects
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    status = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    resident = int(status["VmRSS"].split()[0]) * 1024
    return Sample(resident, int(status["Threads"]), threading.active_count(), sessions, count)


def fifths(samples: Sequence[Sample], field: str) -> list[float]:
    """The medians of each fifth of the samples, in order."""
    values = [getattr(item, field) for item in samples]
    size = len(values) // 5
    return [median(values[n * size : (n + 1) * size]) for n in range(5)]
