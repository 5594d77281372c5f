"""The connection of commands that act on runs: a runtime without workers, connected to the running `dev` server if there is one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from runtime.app.options import RuntimeOptions
from runtime.app.remote import Remote
from runtime.cli import hints
from runtime.cli.common import Cli, run_async
from runtime.cli.dev_state import FILE, DevState
from runtime.errors import UNAVAILABLE, Error
from runtime.temporal.client.unreached import ABSENT
from runtime.temporal.core_log import forward_core_log

T = TypeVar("T")


def with_runtime(
    cli: Cli,
    work: Callable[[Remote], Awaitable[T]],
    address: str | None = None,
    *,
    checked: bool = False,
    lenient: bool = False,
) -> T:
    """The outcome of `work` on a runtime that only looks and speaks. Scripts are looked at only if `checked`; with `lenient`
    mistakes in the definition files are passed over, as long as it is known where runs live: a save that is broken right
    now is no reason not to speak to a run.

    Which server: `address`, else the running dev server of the state directory, else what the registry's
    `temporal.client` says (by its placeholder: TEMPORAL_ADDRESS).
    """

    async def run() -> T:
        forward_core_log()
        dev = DevState.read(cli.settings.state)
        settings = cli.settings.with_environ(dev.env) if dev else cli.settings
        server = address or (dev.address if dev else None)
        shared = dev.bundles if dev and dev.bundles and not settings.bundles else None
        options = RuntimeOptions(
            temporal=server,
            bundles=shared,
            streams=Path(dev.streams) if dev and dev.streams else None,
            workers=False,
            checked=checked,
            lenient=lenient,
            namespace=dev.namespace if dev else None,
        )
        async with Remote.from_settings(settings, options) as runtime:
            runtime.on_assumption(partial(_say_assumed, cli))
            broken = sum(note.severity == "error" for note in runtime.registry.notes)
            if broken:
                cli.say(f"passing over {broken} problem{'' if broken == 1 else 's'} of the registry (evermoon check)")
            try:
                return await work(runtime)
            except Error as error:
                await hints.add_run(runtime, error)
                raise _explained(error, cli, dev if address is None else None) from None

    return run_async(run())


def _say_assumed(cli: Cli, place: str) -> None:
    """People do not see which server a command chose, and that of another project may answer there."""
    cli.say(f"using the Temporal server at {place} and no evermoon dev runs with its state in {cli.settings.state}")


def _explained(error: Error, cli: Cli, dev: DevState | None) -> Error:
    """An address where nobody answers, with who said it and what starts a server: people do not see which one a command chose."""
    about = error.details or {}
    if error.kind != UNAVAILABLE or "address" not in about:
        return error
    if dev is not None:
        error.message += f" (evermoon dev, process {dev.pid}, wrote that address to {cli.settings.state / FILE})"
    elif not about["given"] and about.get("cause") in ABSENT:
        error.message += f"; no evermoon dev runs with its state in {cli.settings.state}: evermoon dev starts a server"
    return error
