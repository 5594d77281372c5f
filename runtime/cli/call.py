from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from runtime.app.options import RuntimeOptions
from runtime.app.runtime import Runtime
from runtime.cli.common import Cli, command, json_argument, run_async, with_principal
from runtime.cli.dev_state import DevState
from runtime.temporal.core_log import forward_core_log


@click.command("call")
@click.argument("entry")
@click.argument("args", metavar="[JSON]...", nargs=-1, callback=json_argument)
@with_principal
@command
def call(cli: Cli, entry: str, args: tuple[Any, ...], whom: Mapping[str, Any]) -> None:
    """Run the function ENTRY on this machine, each JSON one argument, and print what it returns."""

    async def work() -> Any:
        forward_core_log()
        dev = DevState.read(cli.settings.state)
        settings = cli.settings.with_environ(dev.env) if dev else cli.settings
        options = RuntimeOptions(temporal=dev.address if dev else None, workers=False)
        async with Runtime.from_settings(settings, options) as runtime:
            return await runtime.call(entry, *args, **whom)

    cli.emit(run_async(work()))
