"""Medians of repeated calls."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison; both in seconds, or another unit, measured in turns so that noise hits both."""

    what: str
    seconds: float
    base: str
    base_seconds: float
    unit: str = "s"


def compare(what: str, run: Callable[[], object], base: str, run_base: Callable[[], object], rounds: int = 60) -> Row:
    """Medians of both, called in turns after one unmeasured call each."""
    run(), run_base()
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(_timed(run))
        theirs.append(_timed(run_base))
    return Row(what, statistics.median(ours), base, statistics.median(theirs))


def _timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
