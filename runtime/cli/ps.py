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


#: From this attempt of an activity on it keeps failing.
_FAILING = 2


@click.command("ps")
@click.option("--query", default="", help="A Temporal visibility query, e.g. \"ExecutionStatus='Running'\".")
@click.option("--all", "everything", is_flag=True, help="Runs of every type, not of this registry's alone.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many runs at most.")
@click.option("--url", help="A host whose processes are listed too; default: that of the running evermoon dev.")
@command
def ps(cli: Cli, query: str, everything: bool, limit: int, url: str | None) -> None:
    """List the runs of this registry, newest first, and the processes of a host.

    A run is marked whose tasks fail (wedged), or one of whose activities does. With --query, processes are not listed.
    """

    async def work(runtime: Remote) -> list[dict[str, Any]]:
        listed = [run async for run in runtime.list(query, limit)] if everything else await runtime.own(query, limit)
        if not everything and any(note.severity == "error" for note in runtime.registry.notes):
            cli.say("runs of workflows that are passed over are not listed; --all lists the runs of every type")
        elif not listed and not everything:
            cli.say("no runs of this registry's workflows; --all lists those of others too")
        runs = [run_document(run) for run in listed]
        base = processes.host_url(cli, url)
        return runs if base is None or query else [*runs, *await processes.listed(base)]

    found = with_runtime(cli, work, lenient=True)
    cli.emit(found, lambda: click.echo(_table(found)))


def _table(found: list[dict[str, Any]]) -> str:
    """Columns as wide as they need to be: ids are there to be copied."""
    rows = [("ID", "ENTRY", "STATUS", "STARTED", "CLOSED")]
    rows += [
        (item["id"], item["entry"], _status(item), _short(item["started_at"]), _short(item.get("closed_at")))
        for item in found
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _status(item: dict[str, Any]) -> str:
    if item.get("state") == "wedged":
        return f"{item['status']} (wedged)"
    pending = [one for one in item.get("pending") or () if one["attempt"] >= _FAILING and one["last_failure"]]
    failing = "".join(f" ({one['activity']} fails, attempt {one['attempt']})" for one in pending[:1])
    return f"{item['status']}{failing}"


def _short(moment: str | None) -> str:
    """To the second."""
    return f"{moment.partition('.')[0].removesuffix('Z')}Z" if moment else ""
