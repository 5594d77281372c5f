"""Speed, as ratios within one run: ``python -m bench [NAME...]`` (or ``make bench``). Machines differ; ratios travel."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from bench import kernel, processes, workflows
from bench.measure import Row

BENCHES: dict[str, Callable[[], list[Row]]] = {
    "kernel": kernel.rows,
    "processes": processes.rows,
    "workflows": workflows.rows,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        print(f"unknown bench {unknown[0]!r}; known: {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    console = Console()
    for name in names or BENCHES:
        table = Table(title=name, title_justify="left")
        for column in ("what", "median", "against", "median", "ratio"):
            table.add_column(column, justify="left" if column in ("what", "against") else "right")
        with console.status(f"measuring {name} ..."):
            rows = BENCHES[name]()
        for row in rows:
            ratio = row.seconds / row.base_seconds
            table.add_row(
                row.what, _text(row.seconds, row.unit), row.base, _text(row.base_seconds, row.unit), f"{ratio:.2f}"
            )
        console.print(table)
    return 0


def _text(seconds: float, unit: str) -> str:
    if unit != "s":
        return f"{seconds:.0f} {unit}"
    return f"{seconds * 1e6:.1f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
