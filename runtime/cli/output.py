"""The output of a command: how it ends, and the JSON it speaks. This file imports nothing that takes time, see `runtime.cli.lazy`."""

from __future__ import annotations

import json
from typing import Any

#: Exit statuses: done, failed, misused.
DONE, FAILED, MISUSED = 0, 1, 2


def to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent, default=str)
