from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

import click

from runtime.app import Runtime
from runtime.cli.common import Cli, command
from runtime.cli.connect import with_runtime
from runtime.durations import parse
from runtime.registry import BundleStore, DirectoryStore, Stored


@dataclass(frozen=True, slots=True)
class _Row:
    """A bundle of the store. `unclear` when open runs of its entry do not tell what they are pinned to."""

    stored: Stored
    current: bool
    runs: int
    unclear: bool

    @property
    def needed(self) -> bool:
        return self.current or self.runs > 0 or self.unclear


@click.command("bundles")
@click.argument("action", type=click.Choice(["list", "prune"]), default="list")
@click.option(
    "--older-than", default="24h", show_default=True, help="Prune only what nobody has published for so long."
)
@command
def bundles(cli: Cli, action: str, older_than: str) -> None:
    """List the bundles of the store, or prune those that nothing needs.

    A bundle is needed when the registry has it now, when an open run began with it, and when open runs of its entry do not say
    what they began with. Closed runs whose bundle is gone can no longer be queried or reset.
    """
    age = parse(older_than).total_seconds()

    async def work(runtime: Runtime) -> list[_Row]:
        store = runtime.bundles or DirectoryStore(cli.settings.bundle_folder)
        rows = await _rows(runtime, store)
        if action == "list":
            return rows
        pruned = [row for row in rows if not row.needed and time.time() - row.stored.published > age]
        for row in pruned:
            store.remove(row.stored.hash)
        return pruned

    rows = with_runtime(cli, work)
    cli.emit([_document(row) for row in rows], lambda: _print(rows, action))


async def _rows(runtime: Runtime, store: BundleStore) -> list[_Row]:
    """The store is read first: what is published after that is not in the list, so cannot be pruned."""
    stored = store.stored()
    use = await runtime.bundle_use()
    found = {type: runtime.registry.find_workflow(type) for type in use.unknown}
    entries = {entry.id for entry in found.values() if entry is not None}
    strangers = None in found.values()  # of a removed entry, perhaps
    return [
        _Row(
            item,
            item.hash in runtime.current_bundles,
            use.runs[item.hash],
            item.entry in entries or (strangers and runtime.registry.get(item.entry) is None),
        )
        for item in stored
    ]


def _document(row: _Row) -> dict[str, object]:
    return {
        "bundle": row.stored.hash,
        "entry": row.stored.entry,
        "published_at": _moment(row),
        "current": row.current,
        "runs": row.runs,
        "needed": row.needed,
    }


def _moment(row: _Row) -> str:
    return datetime.fromtimestamp(row.stored.published, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _print(rows: list[_Row], action: str) -> None:
    for row in rows:
        notes = [note for note in ("current" if row.current else "", f"{row.runs} open" if row.runs else "") if note]
        click.echo(f"{row.stored.hash}  {_moment(row)}  {row.stored.entry}  {', '.join(notes)}".rstrip())
    if action == "prune":
        click.echo(f"{len(rows)} pruned", err=True)
