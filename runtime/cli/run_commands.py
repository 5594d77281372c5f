"""The commands that speak to a run: `send`, `query`, `update`, `cancel`, `terminate`."""

from __future__ import annotations

import getpass
import socket
from typing import Any

import click

from runtime.app.remote import Remote
from runtime.cli import hints
from runtime.cli.common import Cli, command, given, json_argument
from runtime.cli.connect import with_runtime


def _operator() -> str:
    """Who sits at this machine, as the history keeps it."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


_RUN = click.argument("run", metavar="ID")
_VALUE = click.argument("value", metavar="[JSON]", required=False, callback=json_argument)


@click.command("send")
@_RUN
@click.argument("topic")
@_VALUE
@command
def send(cli: Cli, run: str, topic: str, value: Any) -> None:
    """Send a message to run ID: a signal named TOPIC with JSON as its payload."""

    async def work(runtime: Remote) -> None:
        await runtime.send(run, topic, *given(value))
        await hints.tell_topic(cli, runtime, run, topic)

    with_runtime(cli, work, lenient=True)
    cli.emit({"id": run, "sent": topic}, lambda: None)


@click.command("query")
@_RUN
@click.argument("name")
@_VALUE
@command
def query(cli: Cli, run: str, name: str, value: Any) -> None:
    """Ask run ID the query NAME and print the answer."""

    async def work(runtime: Remote) -> Any:
        return await runtime.query(run, name, *given(value))

    cli.emit(with_runtime(cli, work, lenient=True))


@click.command("update")
@_RUN
@click.argument("name")
@_VALUE
@command
def update(cli: Cli, run: str, name: str, value: Any) -> None:
    """Run the update NAME on run ID and print its answer; a refusal fails."""

    async def work(runtime: Remote) -> Any:
        return await runtime.update(run, name, *given(value))

    cli.emit(with_runtime(cli, work, lenient=True))


@click.command("cancel")
@_RUN
@click.option("--reason", default="", help="Kept in the run's history.")
@command
def cancel(cli: Cli, run: str, reason: str) -> None:
    """Ask run ID to cancel; it may compensate first."""

    async def work(runtime: Remote) -> None:
        await runtime.cancel(run, reason, _operator())

    with_runtime(cli, work, lenient=True)
    cli.emit({"id": run, "cancel": "requested"}, lambda: None)


@click.command("terminate")
@_RUN
@click.option("--reason", default="", help="Kept in the run's history.")
@command
def terminate(cli: Cli, run: str, reason: str) -> None:
    """End run ID at once; its script is not asked."""

    async def work(runtime: Remote) -> None:
        await runtime.terminate(run, reason, _operator())

    with_runtime(cli, work, lenient=True)
    cli.emit({"id": run, "terminated": True}, lambda: None)
