"""How much of it: a short soak in `make test`, the whole in `make soak`."""

from __future__ import annotations

import os

WHOLE = 10_000

RUNS = int(os.environ.get("EVERMOON_SOAK_RUNS", "600"))
PROCESSES = int(os.environ.get("EVERMOON_SOAK_PROCESSES", "400"))
