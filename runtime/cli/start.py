from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from runtime.app.remote import Remote
from runtime.cli.common import MISSING, Cli, command, given, json_argument, with_principal
from runtime.cli.connect import with_runtime
from runtime.errors import Error
from runtime.late import late
from runtime.registry import WorkflowLua

if TYPE_CHECKING:
    from runtime.registry import inputs
else:
    inputs = late("runtime.registry.inputs")

#: How often, a second apart, a worker is looked for: one that has just been started may not have asked for work yet.
_LOOKS = 3


def _with_budget(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options: how long the run may take; together the argument `budget` of `function`, as options of a start."""

    @functools.wraps(function)
    def run(*args: Any, timeout: str | None, grace: str | None, **rest: Any) -> None:
        said = {"budget": timeout, "budget_grace": grace}
        function(*args, budget={name: text for name, text in said.items() if text is not None}, **rest)

    grace = click.option(
        "--grace", metavar="DURATION", help="How long it may compensate then.  [default: a tenth, at least 10s]"
    )
    spent = "Its time budget, e.g. 30s: after it the run is canceled, and has timed out."
    return click.option("--timeout", metavar="DURATION", help=spent)(grace(run))


@click.command("start")
@click.argument("entry")
@click.argument("input", metavar="[JSON]", required=False, callback=json_argument)
@click.option("--id", "run_id", metavar="ID", help="The run's id; an id that is in use by an open run is refused.")
@click.option("--worker", metavar="ID", help="A temporal.worker entry or task queue, instead of the workflow's own.")
@click.option("--wait", is_flag=True, help="Wait for the run to end and print its result.")
@_with_budget
@with_principal
@command
def start(
    cli: Cli,
    entry: str,
    input: Any,
    run_id: str | None,
    worker: str | None,
    wait: bool,
    budget: Mapping[str, Any],
    whom: Mapping[str, Any],
) -> None:
    """Start a run of the workflow ENTRY with JSON as its argument."""

    async def work(runtime: Remote) -> None:
        workflow = runtime.registry.get(entry)
        if isinstance(workflow, WorkflowLua) and workflow.input_schema is not None:
            inputs.check(workflow.id, workflow.input_schema, None if input is MISSING else input)
        started = await runtime.start(
            entry, *given(input), id=run_id, worker=worker, id_conflict_policy="fail", **budget, **whom
        )
        if wait:
            cli.say(f"{started.id} started")
            await _hint(cli, runtime, started.id)
            cli.emit(await runtime.result(started.id))
            return
        answer = {"id": started.id, "run_id": started.run_id, "pid": started.pid}
        cli.emit(answer, lambda: click.echo(started.id))
        await _hint(cli, runtime, started.id)

    with_runtime(cli, work, checked=True)


async def _hint(cli: Cli, runtime: Remote, run: str) -> None:
    """Tells people why nothing happens when no worker serves the run. That it cannot be found out is no failure."""
    if cli.as_json:
        return
    try:
        for look in range(_LOOKS):
            if look:
                await asyncio.sleep(1)
            queue = await runtime.unserved(run)
            if queue is None:
                return
    except Error:
        return
    cli.say(f"no worker polls the task queue {queue}: the run waits for one (evermoon dev, or evermoon serve)")
