"""What is measured, one file for each subject."""

from __future__ import annotations

from collections.abc import Sequence

from bench.plan import Row
from bench.rows import alone, ordinary, served

ROWS: Sequence[Row] = [*served.ROWS, *alone.ROWS, *ordinary.ROWS]
