from __future__ import annotations

from typing import Any

import click

from runtime import durations
from runtime.app.remote import Remote
from runtime.cli.common import Cli, command
from runtime.cli.connect import with_runtime


@click.command("result")
@click.argument("run", metavar="ID")
@click.option("--timeout", metavar="DURATION", help="Give up waiting after this long, e.g. 30s.  [default: wait on]")
@command
def result(cli: Cli, run: str, timeout: str | None) -> None:
    """Wait for run ID to end and print its result; fails as the run did."""
    seconds = durations.parse(timeout).total_seconds() if timeout else None

    async def work(runtime: Remote) -> Any:
        return await runtime.result(run, timeout=seconds)

    cli.emit(with_runtime(cli, work, lenient=True))
