"""`evermoon serve`: workers and HTTP against a cluster, as one process or several."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import AsyncExitStack
from dataclasses import replace

import click

from runtime.app import Options, Runtime
from runtime.cli.common import Cli, command
from runtime.cli.following import Follower
from runtime.cli.lifetime import run_until_stopped
from runtime.errors import UNAVAILABLE, Error
from runtime.http import HttpOptions


@click.command("serve")
@click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="How many processes poll.")
@click.option("--http/--no-http", default=True, show_default=True, help="Serve the registry's http.service entries.")
@click.option(
    "--insecure", is_flag=True, help="Allow HTTP on addresses other machines can reach, without authentication."
)
@click.option(
    "--follow/--no-follow",
    default=True,
    show_default=True,
    help="Serve the newest release of the bundle store, and each that is deployed, rather than the files here.",
)
@click.option("--tied", is_flag=True, hidden=True, help="End when standard input does.")
@command
def serve(cli: Cli, processes: int, http: bool, insecure: bool, follow: bool, tied: bool) -> None:
    """Run workers and HTTP against the cluster that the registry or the environment names.

    Waits for a server that is not there yet and goes on when it comes back. Takes up what `evermoon deploy` publishes to its bundle
    store. With --processes, one of them serves HTTP.
    """
    if processes > 1:
        run_until_stopped(lambda: _several(cli, processes, http, insecure, follow))
        return
    options = Options(http=HttpOptions(insecure=insecure) if http else None, patient=True)
    run_until_stopped(lambda: _one(cli, options, follow), tied=tied)


async def _one(cli: Cli, options: Options, follow: bool) -> None:
    async with AsyncExitStack() as stack:
        follower = Follower(cli.settings) if follow else None
        if follower is not None:
            options = replace(options, files=await follower.first())
        runtime = await stack.enter_async_context(Runtime.from_settings(cli.settings, options))
        if follower is not None:
            await stack.enter_async_context(follower.following(runtime))
        release = follower.serving if follower is not None else 0
        document = {
            "temporal": runtime.address,
            "http": dict(runtime.urls),
            "workers": list(runtime.queues),
            "release": release or None,
        }
        cli.emit(document, lambda: _print(runtime, release))
        await runtime.ended()


def _print(runtime: Runtime, release: int) -> None:
    if release:
        click.echo(f"{'release':<14} {release}")
    click.echo(f"{'Temporal':<14} {runtime.address}")
    for worker, queue in runtime.queues.items():
        click.echo(f"{'worker':<14} {worker} on {queue}")
    for service, url in runtime.urls.items():
        click.echo(f"{'HTTP':<14} {service} at {url}")


async def _several(cli: Cli, processes: int, http: bool, insecure: bool, follow: bool) -> None:
    """Children do the work. One that dies is replaced by nobody: the rest are stopped and the command fails, so that
    whatever supervises it knows.
    """
    settings = cli.settings
    base = [sys.executable, "-m", "runtime.cli.main", "serve", "--tied", "--registry", str(settings.registry)]
    base += ["--log-level", settings.log_level, *(word for override in settings.overrides for word in ("-o", override))]
    base += ["--bundles", settings.bundle_place]
    base += ["--insecure"] if insecure else []
    base += [] if follow else ["--no-follow"]
    children = []
    try:
        for number in range(processes):
            own = [*base, "--http" if http and number == 0 else "--no-http"]
            # What a child says for people would mix with what the others say.
            child = await asyncio.create_subprocess_exec(
                *own, stdin=PIPE, stdout=DEVNULL, start_new_session=True, env=dict(settings.environ)
            )
            children.append(child)
        document = {"processes": [child.pid for child in children]}
        cli.emit(document, lambda: click.echo(f"serving with {processes} processes"))
        waits = [asyncio.create_task(child.wait()) for child in children]
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        status = next(iter(done)).result()
        raise Error(UNAVAILABLE, f"a worker process ended with status {status}", retryable=True)
    finally:
        for child in children:
            if child.returncode is None:
                child.send_signal(signal.SIGTERM)
        await asyncio.gather(*(child.wait() for child in children))
