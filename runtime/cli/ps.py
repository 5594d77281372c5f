from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from runtime.app.remote import Remote
from runtime.cli.common import Cli, command
from runtime.cli.connect import with_runtime
from runtime.cli.show import run_document
from runtime.late import late

if TYPE_CHECKING:
    from runtime.cli import processes
else:
    processes = late("runtime.cli.processes")


@click.command("ps")
@click.option("--query", default="", help="A Temporal visibility query, e.g. \"ExecutionStatus='Running'\".")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many runs at most.")
@click.option("--url", help="A host whose processes are listed too; default: that of the running evermoon dev.")
@command
def ps(cli: Cli, query: str, limit: int, url: str | None) -> None:
    """List runs, newest first, and after them the processes of a host; with --query, runs alone."""

    async def work(runtime: Remote) -> list[dict[str, Any]]:
        runs = [run_document(run) async for run in runtime.list(query, limit)]
        base = processes.host_url(cli, url)
        return runs if base is None or query else [*runs, *await processes.listed(base)]

    found = with_runtime(cli, work, lenient=True)
    cli.emit(found, lambda: click.echo(_table(found)))


def _table(found: list[dict[str, Any]]) -> str:
    """Columns as wide as they need to be: ids are there to be copied."""
    rows = [("ID", "ENTRY", "STATUS", "STARTED", "CLOSED")]
    rows += [
        (item["id"], item["entry"], item["status"], _short(item["started_at"]), _short(item.get("closed_at")))
        for item in found
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _short(moment: str | None) -> str:
    """To the second."""
    return f"{moment.partition('.')[0].removesuffix('Z')}Z" if moment else ""
