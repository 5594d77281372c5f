from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from runtime.app.remote import Remote
from runtime.cli.common import Cli, command
from runtime.cli.connect import with_runtime

_ACTIONS = ("list", "pause", "resume", "trigger", "backfill", "delete")


@click.command("schedules")
@click.argument("action", type=click.Choice(_ACTIONS), default="list")
@click.argument("schedule", metavar="[ID]", required=False)
@click.option("--note", default="", help="With pause and resume: why; it is shown with the schedule.")
@click.option("--from", "start", metavar="TIME", help="With backfill: where the range begins, e.g. 2025-01-31T06:00Z.")
@click.option("--to", "end", metavar="TIME", help="With backfill: where it ends.  [default: now]")
@click.option("--overlap", metavar="POLICY", help="With trigger and backfill: another policy than the schedule's own.")
@command
def schedules(
    cli: Cli, action: str, schedule: str | None, note: str, start: str | None, end: str | None, overlap: str | None
) -> None:
    """List schedules, or do something with one.

    ID is the id of a temporal.schedule entry. TIME is ISO 8601, in UTC when it does not say.
    """
    if action == "list":
        found = with_runtime(cli, _documents)
        cli.emit(found, lambda: click.echo(_table(found)))
        return
    if schedule is None:
        raise click.UsageError(f"{action} needs the id of a schedule")
    since, until = _range(action, start, end)

    async def work(runtime: Remote) -> dict[str, Any]:
        operate = runtime.schedules
        if action == "pause":
            await operate.pause(schedule, note)
        elif action == "resume":
            await operate.resume(schedule, note)
        elif action == "trigger":
            await operate.trigger(schedule, overlap)
        elif action == "backfill":
            await operate.backfill(schedule, since, until, overlap)
        else:
            await operate.delete(schedule)
            return {"entry": schedule, "deleted": True}
        return asdict(await operate.describe(schedule))

    document = with_runtime(cli, work)
    cli.emit(document, lambda: click.echo(f"{action}: {schedule}"))


async def _documents(runtime: Remote) -> list[dict[str, Any]]:
    return [asdict(view) for view in await runtime.schedules.list()]


def _range(action: str, start: str | None, end: str | None) -> tuple[datetime, datetime]:
    if action != "backfill":
        return datetime.now(UTC), datetime.now(UTC)
    if start is None:
        raise click.UsageError("backfill needs --from")
    return _moment("--from", start), _moment("--to", end) if end else datetime.now(UTC)


def _moment(option: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no ISO 8601 time", param_hint=option) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _table(found: Sequence[dict[str, Any]]) -> str:
    rows = [("ID", "WORKFLOW", "STATE", "NEXT", "STARTED", "RUNNING")]
    rows += [
        (
            item["entry"],
            item["workflow"],
            _state(item),
            next(iter(item["next"]), "") if not item["paused"] else "",
            str(item["actions"]),
            str(len(item["running"])),
        )
        for item in found
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _state(item: dict[str, Any]) -> str:
    state = "paused" if item["paused"] else "active"
    return state if item["declared"] else f"{state}, not in the registry"
