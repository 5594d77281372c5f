"""What is measured, one file for each subject."""

from __future__ import annotations

from collections.abc import Sequence

from bench.plan import Row
from bench.rows import alone, charges, commands, growth, ordinary, parked, processes, served, streams, web

_SUBJECTS = (served, alone, parked, processes, web, streams, commands, ordinary, growth, charges)

ROWS: Sequence[Row] = [row for subject in _SUBJECTS for row in subject.ROWS]
