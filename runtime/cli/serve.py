"""The command `evermoon serve`, which runs workers and HTTP against a cluster, as one process or several."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

import click

from runtime.app.options import RuntimeOptions
from runtime.app.runtime import Runtime
from runtime.cli.common import Cli, command
from runtime.cli.deploy_follower import DeployFollower
from runtime.cli.lifetime import run_until_stopped
from runtime.cli.process_slots import ProcessSlot
from runtime.http import HttpOptions
from runtime.registry import Selection
from runtime.settings import BUNDLES
from runtime.temporal.core_log import forward_core_log


@click.command("serve")
@click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="How many processes poll.")
@click.option("--http/--no-http", default=True, show_default=True, help="Serve the registry's http.service entries.")
@click.option(
    "--insecure", is_flag=True, help="Allow HTTP on addresses other machines can reach, without authentication."
)
@click.option(
    "--services/--no-services",
    default=True,
    show_default=True,
    help="Run the process.service entries; those that are `everywhere` run in any case.",
)
@click.option(
    "--follow/--no-follow",
    default=True,
    show_default=True,
    help="Serve the newest release of the bundle store, and each that is deployed, rather than the files here.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Serve only this worker, HTTP service, service or consumer, by its id or its meta.group; may be given several times.",
)
@click.option(
    "--except", "without", multiple=True, metavar="NAME", help="Serve all but this one; may be given several times."
)
@click.option("--tied", is_flag=True, hidden=True, help="End when standard input does.")
@command
def serve(  # noqa: PLR0913  # an option each
    cli: Cli,
    processes: int,
    http: bool,
    insecure: bool,
    services: bool,
    follow: bool,
    only: tuple[str, ...],
    without: tuple[str, ...],
    tied: bool,
) -> None:
    """Run workers and HTTP against the cluster that the registry or the environment names.

    Waits for a server that is not there yet and goes on when it comes back. Takes up what `evermoon deploy` publishes to its bundle
    store. With --only and --except it serves a part of the registry, and leaves the rest to other processes. With --processes, the first of them serves HTTP and runs the services; one that dies is replaced.
    """
    if processes > 1:
        words = [] if http else ["--no-http"]
        words += ["--insecure"] if insecure else []
        words += [] if services else ["--no-services"]
        words += [] if follow else ["--no-follow"]
        words += [word for name in only for word in ("--only", name)] + [
            word for name in without for word in ("--except", name)
        ]
        run_until_stopped(lambda: _several(cli, processes, words))
        return
    options = RuntimeOptions(
        http=HttpOptions(insecure=insecure) if http else None,
        patient=True,
        services=services,
        selection=Selection(only, without),
    )
    run_until_stopped(lambda: _one(cli, options, follow), tied=tied)


async def _one(cli: Cli, options: RuntimeOptions, follow: bool) -> None:
    forward_core_log()
    async with AsyncExitStack() as stack:
        follower = DeployFollower(cli.settings) if follow else None
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


async def _ready(places: list[ProcessSlot]) -> None:
    for place in places:
        await place.ready.wait()


async def _several(cli: Cli, processes: int, words: list[str]) -> None:
    """Each process is a host of its own; the first serves HTTP and runs the services. One that dies is replaced."""
    settings = cli.settings
    base = ["serve", "--registry", str(settings.registry), "--log-level", settings.log_level]
    base += [word for override in settings.overrides for word in ("-o", override)]
    environ = {**settings.environ, BUNDLES: settings.bundle_place}  # no flag: a URL may hold a password
    others = [*words, "--no-http", "--no-services"]
    places = [ProcessSlot([*base, *(words if number == 0 else others)], environ) for number in range(processes)]
    running = [asyncio.create_task(place.run()) for place in places]
    try:
        all_ready = asyncio.create_task(_ready(places))
        await asyncio.wait([all_ready, *running], return_when=asyncio.FIRST_COMPLETED)
        if all_ready.done():
            document = {"processes": [place.pid for place in places], **places[0].told}
            cli.emit(document, lambda: click.echo(f"serving with {processes} processes"))
        all_ready.cancel()
        await asyncio.gather(*running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
