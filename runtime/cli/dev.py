"""The command `evermoon dev`, which runs everything on this machine and reloads on save."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path

import click

from runtime.app.options import RuntimeOptions
from runtime.app.runtime import Runtime
from runtime.cli.common import Cli, command
from runtime.cli.dev_processes import DevProcesses, companions_of
from runtime.cli.dev_state import DevState
from runtime.cli.lifetime import run_until_stopped
from runtime.cli.watch import saved
from runtime.errors import Error, conflict
from runtime.http import HttpOptions
from runtime.loading import load_registry
from runtime.registry import PAYLOADS, DirectoryStore, RegistryError, TemporalClient
from runtime.temporal.core_log import forward_core_log

_PORT = click.IntRange(1, 65535)
_log = logging.getLogger("evermoon.dev")


@click.command("dev")
@click.option("--ephemeral", is_flag=True, help="Keep Temporal's state in memory only.")
@click.option(
    "--insecure", is_flag=True, help="Allow HTTP on addresses other machines can reach, without authentication."
)
@click.option("--no-reload", is_flag=True, help="Do not watch the files.")
@click.option("--port", type=_PORT, help="The port of the Temporal server.  [default: 7233, or a free one]")
@click.option("--ui-port", type=_PORT, help="The port of its UI.  [default: 8233, or a free one]")
@click.option("--http-port", type=_PORT, help="The port of the first http.service.  [default: its own, or a free one]")
@command
def dev(
    cli: Cli,
    ephemeral: bool,
    insecure: bool,
    no_reload: bool,
    port: int | None,
    ui_port: int | None,
    http_port: int | None,
) -> None:
    """Run an embedded Temporal server, workers and HTTP; reload on save.

    Prints the URLs. State is kept in .evermoon/ unless --ephemeral. Ports that are taken are replaced by free ones, unless an
    option names them. The other commands find the running server by themselves. Ctrl-C ends everything.
    """
    http = HttpOptions(move_ports=http_port is None, insecure=insecure, default_service=True, port=http_port)
    options = RuntimeOptions(
        temporal="embedded",
        ports=(port, ui_port),
        state=None if ephemeral else cli.settings.state,
        http=http,
        shadow=True,
        new_attributes=True,
    )

    async def work() -> None:
        await _dev(cli, options, watching=not no_reload)

    run_until_stopped(work)


async def _dev(cli: Cli, options: RuntimeOptions, *, watching: bool) -> None:
    forward_core_log()
    state = cli.settings.state
    running = DevState.read(state)
    if running is not None:
        raise conflict(f"evermoon dev is running already for {state} (process {running.pid})")
    state.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        first = load_registry(cli.settings)
        companions = await stack.enter_async_context(DevProcesses(companions_of(first, state), cli.settings.environ))
        settings = cli.settings.with_environ(companions.env)
        read_at = time.time()
        runtime = await stack.enter_async_context(Runtime.from_settings(settings, options))
        announced = _announce(cli, runtime, state, companions.env)
        stack.callback(announced.remove, state)
        if watching:
            reloading = asyncio.create_task(_reload_on_save(runtime, read_at, _kept(state, runtime)))
            stack.callback(reloading.cancel)
        await runtime.ended()


def _namespace(runtime: Runtime) -> str:
    clients = runtime.registry.of_kind(TemporalClient)
    return runtime.registry.resolve(clients[0]).temporal_namespace if clients else "default"


def _announce(cli: Cli, runtime: Runtime, state: Path, env: dict[str, str]) -> DevState:
    server = runtime.server
    assert server is not None
    store = runtime.bundles
    payloads = {name: value for name, value in runtime.registry.environ.items() if name == PAYLOADS}
    found = DevState(
        server.address,
        _namespace(runtime),
        server.ui_url or "",
        dict(runtime.urls),
        os.getpid(),
        {**payloads, **env},
        str(store.path.resolve()) if isinstance(store, DirectoryStore) else None,
        str(runtime.streams_file.resolve()) if runtime.streams_file is not None else None,
    )
    found.write(state)
    for note in runtime.registry.notes:
        if note.severity == "note":
            cli.say(str(note))

    def human() -> None:
        services = [(f"HTTP {id}", url) for id, url in found.http.items()]
        lines = [("Temporal", found.address), ("Temporal UI", found.ui), *services]
        width = max(14, *(len(name) for name, _ in lines))
        for name, value in lines:
            click.echo(f"{name:<{width}} {value}")
        click.echo("ready; Ctrl-C ends it")

    document = asdict(found)
    del document["env"]
    cli.emit(document, human)
    return found


def log_problems(error: RegistryError) -> None:
    """What keeps files from being used as errors; notes, which do not, as warnings."""
    for problem in error.problems:
        _log.log(logging.ERROR if problem.severity == "error" else logging.WARNING, "%s", problem)


def _kept(state: Path, runtime: Runtime) -> list[Path]:
    """Where it writes by itself."""
    store = runtime.bundles
    return [state, store.path] if isinstance(store, DirectoryStore) else [state]


async def _reload_on_save(runtime: Runtime, since: float, kept: Sequence[Path]) -> None:
    """Never ends. A broken save is reported, and the last good set of files goes on."""
    async for _ in saved(runtime, since, kept):
        known = set(runtime.registry.notes)
        try:
            await runtime.reload()
        except RegistryError as error:
            log_problems(error)
            _log.error("not reloaded: the last good files go on running")
        except Error as error:
            _log.error("not reloaded: %s", error)
        else:
            for note in runtime.registry.notes:
                if note.severity == "note" and note not in known:
                    _log.info("%s", note)
            _log.info("reloaded")
