from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import click

from runtime.app.remote import Remote
from runtime.cli.common import Cli, command, seconds
from runtime.cli.connect import with_runtime
from runtime.errors import NOT_FOUND, Error
from runtime.registry import BundleStore, Listed, Releases, Stored, open_store


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
    "--older-than",
    "age",
    metavar="DURATION",
    default="24h",
    show_default=True,
    callback=seconds,
    help="Prune only what nobody has published for so long.",
)
@command
def bundles(cli: Cli, action: str, age: float) -> None:
    """List the bundles of the store, or prune those that nothing needs.

    A bundle is needed when the registry or the newest release has it, when an open run began with it, and when open runs of its entry do not say
    what they began with. Closed runs whose bundle is gone can no longer be queried or reset. Kernels go when no bundle is left that
    needs them.
    """

    async def work(runtime: Remote) -> tuple[list[_Row], list[Listed]]:
        store = runtime.bundles or open_store(cli.settings.bundle_place)
        rows = await _rows(runtime, store)
        if action == "list":
            return rows, []
        # By the store's clock, which the times of what it has are of.
        before = store.now() - age
        pruned = [row for row in rows if not row.needed and store.remove(row.stored.hash, before)]
        Releases(store).prune(before)
        return pruned, _prune_kernels(store, runtime.current_kernels, before)

    rows, kernels = with_runtime(cli, work)
    document = [
        *map(_document, rows),
        *({"kernel": item.name, "published_at": _moment(item.written)} for item in kernels),
    ]
    cli.emit(document, lambda: _print(rows, kernels, action))


def _prune_kernels(store: BundleStore, current: frozenset[str], before: float) -> list[Listed]:
    """Those that no bundle is left for. A bundle that cannot be read may need any of them."""
    listed = store.kernels()
    needed = set(current)
    for stored in store.stored():
        try:
            needed.add(store.bundle(stored.hash).kernel)
        except Error as error:
            if error.kind != NOT_FOUND:
                return []
    return [item for item in listed if item.name not in needed and store.remove_kernel(item.name, before)]


async def _rows(runtime: Remote, store: BundleStore) -> list[_Row]:
    """The store is read first: what is published after that is not in the list, so cannot be pruned."""
    stored = store.stored()
    use = await runtime.bundle_use()
    found = {type: runtime.registry.find_workflow(type) for type in use.unknown}
    entries = {entry.id for entry in found.values() if entry is not None}
    current = runtime.current_bundles | Releases(store).needed_bundles()
    strangers = None in found.values()  # of a removed entry, perhaps
    return [
        _Row(
            item,
            item.hash in current,
            use.runs[item.hash],
            item.entry in entries or (strangers and runtime.registry.get(item.entry) is None),
        )
        for item in stored
    ]


def _document(row: _Row) -> dict[str, object]:
    return {
        "bundle": row.stored.hash,
        "entry": row.stored.entry,
        "published_at": _moment(row.stored.published),
        "current": row.current,
        "runs": row.runs,
        "needed": row.needed,
    }


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _print(rows: Sequence[_Row], kernels: Sequence[Listed], action: str) -> None:
    for row in rows:
        notes = [note for note in ("current" if row.current else "", f"{row.runs} open" if row.runs else "") if note]
        click.echo(
            f"{row.stored.hash}  {_moment(row.stored.published)}  {row.stored.entry}  {', '.join(notes)}".rstrip()
        )
    if action == "prune":
        click.echo(f"{len(rows)} pruned, and {len(kernels)} kernels", err=True)
