"""What is measured, one file for each subject."""

from __future__ import annotations

from collections.abc import Sequence

from bench.plan import Row
from bench.rows import served

ROWS: Sequence[Row] = [*served.ROWS]
