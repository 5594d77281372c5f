from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from runtime.app.remote import Remote
from runtime.cli.common import Cli, command
from runtime.cli.connect import with_runtime
from runtime.cli.dev_state import DevState
from runtime.cli.output import DONE, FAILED
from runtime.loading import load_registry
from runtime.lua.program import Programs
from runtime.registry import open_store
from runtime.settings import Settings
from runtime.temporal.core_log import forward_core_log
from runtime.temporal.replay.replayer import ReplayResult
from runtime.temporal.replay.replayer import replay as replay_histories


@click.command("replay")
@click.argument("histories", metavar="FILE|ID...", nargs=-1, required=True)
@click.option("--latest", is_flag=True, help="Replay with the registry's code, whatever a run began with.")
@click.option("--shadow", is_flag=True, help="Run each step in two interpreters; fail when they differ.")
@command
def replay(cli: Cli, histories: tuple[str, ...], latest: bool, shadow: bool) -> None:
    """Replay recorded histories; fails on a divergence, and says where in the script it begins.

    Each run is replayed with the code it began with, from the bundle store or, when it is the same, the registry; a run of a type
    that is not pinned with the code of the registry. FILE is a history as `GET /api/v1/runs/{id}/history` or the Temporal UI gives
    it, ID a run of the server, whose history so far is replayed.
    """
    forward_core_log()
    given = [Path(item) if _is_file(item) else item for item in histories]
    runs = _fetched(cli, [item for item in given if isinstance(item, str)])
    files = [item for item in given if isinstance(item, Path)]
    registry = load_registry(cli.settings)
    programs = Programs(registry, open_store(_bundles(cli.settings, files[0] if files else None)))
    chosen = [item if isinstance(item, Path) else runs[item] for item in given]
    results = asyncio.run(replay_histories(chosen, registry, programs, latest=latest, shadow=shadow))

    def human() -> None:
        for result in results:
            click.echo(
                f"{'ok      ' if result.ok else 'DIVERGED'} {result.name}  {result.workflow_type} {result.workflow_id}"
            )
            if result.failure:
                click.echo(f"         {result.failure}", err=True)

    cli.emit([_document(result) for result in results], human)
    _leave(DONE if all(result.ok for result in results) else FAILED)


def _document(result: ReplayResult) -> dict[str, Any]:
    return {**asdict(result), "failure": result.failure, "ok": result.ok}


def _is_file(item: str) -> bool:
    """Whether it names a file; what looks like one and is not there is a misuse."""
    path = Path(item)
    if path.is_file():
        return True
    if path.is_dir() or path.suffix == ".json":
        raise click.BadParameter(f"no file {item}", param_hint="FILE|ID")
    return False


def _fetched(cli: Cli, ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
    """Histories of runs by id, from the server that the other commands act on."""
    if not ids:
        return {}

    async def work(runtime: Remote) -> dict[str, Mapping[str, Any]]:
        return {id: {"workflowId": id, **await runtime.history(id)} for id in ids}

    return with_runtime(cli, work)


def _bundles(settings: Settings, first: Path | None) -> str | Path:
    """The store to look in: what was named, else `bundles` beside the histories, else that of the running `dev` or its state."""
    beside = first.parent / "bundles" if first is not None else None
    if settings.bundles is not None:
        return settings.bundle_place
    if beside is not None and beside.is_dir():
        return beside
    dev = DevState.read(settings.state)
    return dev.bundles if dev and dev.bundles else settings.bundle_place


def _leave(status: int) -> None:
    """Ends the process at once: what the SDK leaves behind of a failed replay may abort an interpreter that takes its time to end."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
