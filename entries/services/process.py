"""A service as a process of its own: says on standard output where it listens, and ends with whoever started it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from aiohttp import web

HOST = "127.0.0.1"


def main(build: Callable[..., web.Application], *options: click.Option) -> None:
    """The command line of a service. `build` gets the database's path and the further options."""

    def run(port: int, db: Path, until_stdin_closes: bool, **rest: Any) -> None:
        asyncio.run(_serve(build(db, **rest), port, until_stdin_closes))

    click.Command(
        None,
        callback=run,
        params=[
            click.Option(["--port"], type=click.IntRange(0, 65535), default=0, help="0: a free one"),
            click.Option(["--db"], type=click.Path(path_type=Path), required=True, help="the SQLite file"),
            click.Option(["--until-stdin-closes"], is_flag=True, help="end when standard input ends"),
            *options,
        ],
    )()


async def _serve(app: web.Application, port: int, until_stdin_closes: bool) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    if until_stdin_closes:
        stop_with_stdin(stop)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port, shutdown_timeout=1.0)
        await site.start()
        print(json.dumps({"url": f"http://{HOST}:{runner.addresses[0][1]}"}), flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def stop_on_signals(stop: asyncio.Event) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


def stop_with_stdin(stop: asyncio.Event) -> None:
    """Sets `stop` when standard input ends: the other end of the pipe is closed when its holder dies, however it dies."""
    loop = asyncio.get_running_loop()

    def watch() -> None:
        # Not sys.stdin: its lock, held by a thread that never wakes, would abort the interpreter on its way out.
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=watch, name="stdin", daemon=True).start()
