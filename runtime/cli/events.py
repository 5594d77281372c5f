"""The command `events`, which shows what happened to a run, and with `--follow` what happens to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from runtime.app.remote import Remote
from runtime.cli.common import Cli, command, escape
from runtime.cli.connect import with_runtime
from runtime.cli.output import to_json
from runtime.contracts import Cursor, RunEvent
from runtime.errors import Error

#: What is said of an event besides its name, time and id comes in this order; the rest is for `--json`.
_SHOWN = (
    "activity", "topic", "type", "id", "attempt", "seconds", "from", "next_run_id", "why", "reason", "summary",
    "status", "progress", "queue", "next_retry_at",
)  # fmt: skip


def _cursor(_context: click.Context, parameter: click.Parameter, text: str | None) -> Cursor | None:
    try:
        return Cursor.parse(text) if text else None
    except Error as error:
        raise click.BadParameter(str(error), param=parameter) from None


@click.command("events")
@click.argument("run", metavar="ID")
@click.option("--follow", is_flag=True, help="Stay until the run ends, and tell what happens.")
@click.option("--after", metavar="EVENT", callback=_cursor, help="Begin after the event of this id.")
@command
def events(cli: Cli, run: str, follow: bool, after: Cursor | None) -> None:
    """Tell what happened to run ID, through continue-as-new: one event a line."""

    async def work(runtime: Remote) -> None:
        async with runtime.follow(run, after, wait=follow) as feed:
            async for event in feed:
                _tell(cli, event)

    with_runtime(cli, work, lenient=True)


def _tell(cli: Cli, event: RunEvent) -> None:
    id = str(event.id) if event.id is not None else None
    if cli.as_json:
        click.echo(to_json({"id": id, "event": event.name, "data": event.data}))
        return
    shown = [event.data[name] for name in _SHOWN if event.data.get(name) not in (None, "")]
    what = " ".join(value if isinstance(value, str) else to_json(value) for value in shown)
    if event.name == "stream":
        what = f"{event.data['name']} {to_json(event.data['data'])}"
    failure = _failure(event.data)
    line = f"{event.data.get('at') or '':<27} {id or '':>7}  [bold]{event.name:<14}[/bold] {escape(what)}{': ' if what and failure else ''}{failure}"
    cli.out.print(line.rstrip())


def _failure(data: Mapping[str, Any]) -> str:
    error = data.get("error") or data.get("last_failure")
    if not error:
        return ""
    kind = f" \\[{error['kind']}]" if error.get("kind") else ""
    return f"{escape(str(error.get('message')))}{kind}"
