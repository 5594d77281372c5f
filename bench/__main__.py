"""``python -m bench``: Evermoon beside the Temporal SDKs, as a table, as JSON, and into docs/performance.md."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
import tempfile
import traceback
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench import page, system
from bench.contestants import node
from bench.plan import Plan, Row
from bench.report import markdown, printed
from bench.result import Result
from bench.rows import ROWS
from bench.workers import ASLEEP, EVERMOON, SB, TS, UN, can_sleep

_NAMES = [row.name for row in ROWS]


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of one invocation."""

    only: tuple[str, ...]
    quick: bool
    rounds: int | None
    seed: int
    node: bool
    json: Path | None
    page: Path | None

    @property
    def rows(self) -> list[Row]:
        return [row for row in ROWS if (row.name in self.only if self.only else row.quick or not self.quick)]


@click.command(context_settings={"max_content_width": 120})
@click.option("--only", metavar="ROW", multiple=True, type=click.Choice(_NAMES), help="Only this row; repeatable.")
@click.option("--list", "listed", is_flag=True, help="Say what each row measures, and measure nothing.")
@click.option("--quick", is_flag=True, help="The rows that matter most, with less of everything: under three minutes.")
@click.option("--rounds", type=click.IntRange(1), help="Rounds of each row.  [default: 11; 3 with --quick]")
@click.option("--seed", type=int, help="Of the order within rounds.  [default: another each time; it is recorded]")
@click.option("--node/--no-node", "with_node", default=True, help="With TypeScript's SDK, where Node is there.")
@click.option("--json", "json_file", metavar="FILE", type=click.Path(path_type=Path), help="Write every value there.")
@click.option("--page", "page_file", metavar="FILE", type=click.Path(path_type=Path, exists=True), help="Replace the results in this page.")  # fmt: skip
def main(
    only: tuple[str, ...], listed: bool, quick: bool, rounds: int | None, seed: int | None, with_node: bool,
    json_file: Path | None, page_file: Path | None,
) -> None:  # fmt: skip
    """What Evermoon costs, beside Temporal's own SDKs: separate processes, one server, shuffled rounds, ratios within a round.

    Contestants: evermoon; asleep (the same, keeping few interpreters); un and sb (Python's SDK without and with its sandbox);
    ts (TypeScript's SDK). docs/performance.md says how to read the numbers.
    """
    if listed:
        for row in ROWS:
            click.echo(f"{row.name}{'' if row.quick else ' (not with --quick)'}\n    {(row.__doc__ or '').strip()}")
        return
    chosen = random.getrandbits(32) if seed is None else seed
    # As Ctrl-C: what was started ends, and what was made is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(asyncio.run(_run(Asked(only, quick, rounds, chosen, with_node, json_file, page_file))))


async def _run(asked: Asked) -> int:
    out, err = Console(width=170) if not sys.stdout.isatty() else Console(), Console(stderr=True)
    names, skipped = await _contestants(asked, err)
    machine = {**system.described(skipped), "seed": asked.seed}
    results: list[Result] = []
    failed = False
    with tempfile.TemporaryDirectory(prefix="evermoon-bench-") as directory:
        async with AsyncExitStack() as stack:
            plan = Plan(Path(directory), asked.seed, names, asked.quick, err.print, stack, asked.rounds)
            for row in asked.rows:
                results += (measured := await _measured(row, plan, err))
                failed = failed or not measured
                printed(out, measured)
                keep(asked, {**machine, "notes": plan.notes}, results)
            for note in plan.notes:
                out.print(note, markup=False)
            err.print(f"seed {asked.seed}; ending what was started ...")
    return 1 if failed or plan.failed else 0


async def _contestants(asked: Asked, err: Console) -> tuple[list[str], dict[str, str]]:
    """Those there are, and the version of what is not a package of this Python."""
    names = [EVERMOON, UN, SB, *([ASLEEP] if can_sleep() else [])]
    if not asked.node:
        return names, {}
    with err.status("looking for TypeScript's SDK (the first time it is installed from npm) ..."):
        missing = await node.available()
    if missing is not None:
        err.print(f"without TypeScript's SDK: {missing}")
        return names, {}
    return [*names, TS], {"@temporalio/worker": node.version() or "?"}


async def _measured(row: Row, plan: Plan, err: Console) -> list[Result]:
    """What a row gives; nothing, and why on standard error, when it fails: the others are measured all the same."""
    with err.status(row.name) as status:
        plan.tell = lambda text: status.update(f"{row.name}: {text}")
        try:
            return await row.measure(plan)
        except Exception:
            err.print(f"{row.name} failed:\n{traceback.format_exc()}", markup=False)
            plan.notes.append(f"{row.name}: not measured, it failed")
            return []


def keep(asked: Asked, machine: dict[str, Any], results: list[Result]) -> None:
    """After each row: who ends a long run early has what was measured."""
    if asked.json is not None:
        document = {**machine, "results": [result.document() for result in results]}
        asked.json.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    if asked.page is not None:
        command = "make bench-quick" if asked.quick else "make bench"
        page.refresh(asked.page, markdown(machine, results, command))


if __name__ == "__main__":
    main()
