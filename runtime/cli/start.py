from __future__ import annotations

from typing import Any

import click

from runtime import durations
from runtime.app import Runtime
from runtime.cli.common import Cli, command, given, json_argument
from runtime.cli.connect import with_runtime


@click.command("start")
@click.argument("entry")
@click.argument("input", metavar="[JSON]", required=False, callback=json_argument)
@click.option("--id", "run_id", metavar="ID", help="The run's id; an id that is in use by an open run is refused.")
@click.option("--worker", metavar="ID", help="A temporal.worker entry or task queue, instead of the workflow's own.")
@click.option("--wait", is_flag=True, help="Wait for the run to end and print its result.")
@click.option("--timeout", metavar="DURATION", help="With --wait: give up waiting after this long, e.g. 30s.")
@command
def start(
    cli: Cli, entry: str, input: Any, run_id: str | None, worker: str | None, wait: bool, timeout: str | None
) -> None:
    """Start a run of the workflow ENTRY with JSON as its argument."""
    seconds = durations.parse(timeout).total_seconds() if timeout else None

    async def work(runtime: Runtime) -> None:
        started = await runtime.start(entry, *given(input), id=run_id, worker=worker, id_conflict_policy="fail")
        if wait:
            cli.say(f"{started.id} started")
            cli.emit(await runtime.result(started.id, timeout=seconds))
            return
        answer = {"id": started.id, "run_id": started.run_id, "pid": started.pid}
        cli.emit(answer, lambda: cli.out.print(started.id, markup=False))

    with_runtime(cli, work, checked=True)
