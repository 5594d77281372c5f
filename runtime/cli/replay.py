from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import asdict
from pathlib import Path

import click

from runtime.app import load_registry
from runtime.cli.common import DONE, FAILED, Cli, command
from runtime.lua.program import Programs
from runtime.registry import open_store
from runtime.settings import Settings
from runtime.temporal.replay import replay as replay_histories


@click.command("replay")
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--latest", is_flag=True, help="Replay with the registry's code, whatever a run began with.")
@click.option("--shadow", is_flag=True, help="Run each step in two interpreters; fail when they differ.")
@command
def replay(cli: Cli, files: tuple[Path, ...], latest: bool, shadow: bool) -> None:
    """Replay recorded histories; fails on a divergence.

    Each run is replayed with the code it began with, from the bundle store or, when it is the same, the registry; a run of a type
    that is not pinned with the code of the registry. FILE is a history as `GET /api/v1/runs/{id}/history` or the Temporal UI gives it.
    """
    registry = load_registry(cli.settings)
    programs = Programs(registry, open_store(_bundles(cli.settings, files[0])))
    results = asyncio.run(replay_histories(list(files), registry, programs, latest=latest, shadow=shadow))

    def human() -> None:
        for result in results:
            click.echo(
                f"{'ok      ' if result.ok else 'DIVERGED'} {result.name}  {result.workflow_type} {result.workflow_id}"
            )
            if result.failure:
                click.echo(f"         {result.failure}", err=True)

    cli.emit([{**asdict(result), "ok": result.ok} for result in results], human)
    _leave(DONE if all(result.ok for result in results) else FAILED)


def _bundles(settings: Settings, first: Path) -> str | Path:
    """The store to look in: what was named, else `bundles` beside the histories, else that of the state directory."""
    beside = first.parent / "bundles"
    return beside if settings.bundles is None and beside.is_dir() else settings.bundle_place


def _leave(status: int) -> None:
    """Ends the process at once: what the SDK leaves behind of a failed replay may abort an interpreter that takes its time to end."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
