"""What somebody may have meant who named a run, or a topic, that is not there."""

from __future__ import annotations

from runtime.app.remote import Remote
from runtime.cli.common import Cli
from runtime.errors import NOT_FOUND, Error
from runtime.registry.problems import did_you_mean

#: How many of the newest runs are looked through for a similar id.
_LOOKED_THROUGH = 500


async def add_run(runtime: Remote, error: Error) -> None:
    """Adds to the error for an unknown run the id of one that is called much the same. That it cannot be found out is no failure."""
    about = error.details or {}
    if error.kind != NOT_FOUND or set(about) != {"workflow_id"}:
        return
    try:
        ids = [run.id async for run in runtime.list(limit=_LOOKED_THROUGH)]
    except Error:
        return
    hint = did_you_mean(str(about["workflow_id"]), ids)
    if hint is not None and about["workflow_id"] not in ids:
        error.message += f"; {hint}"


async def tell_topic(cli: Cli, runtime: Remote, run: str, topic: str) -> None:
    """A run may take messages of any topic; one that is nearly one that its workflow declares is mistyped all the same."""
    if cli.as_json:
        return
    try:
        entry = runtime.registry.find_workflow((await runtime.brief(run)).entry)
    except Error:
        return
    declared = entry.workflow.signals if entry is not None else {}
    hint = did_you_mean(topic, declared) if topic not in declared else None
    if entry is not None and hint is not None:
        cli.say(f'{entry.id} declares no signal "{topic}"; {hint}')
