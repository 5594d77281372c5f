from __future__ import annotations

from typing import Any

import click

from runtime.app.remote import Remote
from runtime.cli.common import Cli, command, seconds
from runtime.cli.connect import with_runtime


@click.command("result")
@click.argument("run", metavar="ID")
@click.option(
    "--timeout",
    metavar="DURATION",
    callback=seconds,
    help="Give up waiting after this long, e.g. 30s.  [default: wait on]",
)
@command
def result(cli: Cli, run: str, timeout: float | None) -> None:
    """Wait for run ID to end and print its result; fails as the run did."""

    async def work(runtime: Remote) -> Any:
        return await runtime.result(run, timeout=timeout)

    cli.emit(with_runtime(cli, work, lenient=True))
