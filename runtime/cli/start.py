from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from runtime.app.remote import Remote
from runtime.cli.common import MISSING, Cli, command, given, json_argument, with_principal
from runtime.cli.connect import with_runtime
from runtime.errors import Error, unavailable
from runtime.late import late
from runtime.process.task_queues import queue_of
from runtime.registry import TemporalWorker
from runtime.registry.problems import did_you_mean

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


@dataclass(frozen=True, slots=True)
class _How:
    """The options of `start`. `budget`: the time budget, as options of a start."""

    run_id: str | None
    worker: str | None
    wait: bool
    unserved: bool
    budget: Mapping[str, Any]


@click.command("start")
@click.argument("entry")
@click.argument("input", metavar="[JSON]", required=False, callback=json_argument)
@click.option("--id", "run_id", metavar="ID", help="The run's id; an id that is in use by an open run is refused.")
@click.option("--worker", metavar="ID", help="A temporal.worker entry or task queue, instead of the workflow's own.")
@click.option("--wait", is_flag=True, help="Wait for the run to end and print its result.")
@_with_budget
@click.option("--unserved", is_flag=True, help="Start it even if no worker serves this registry: it waits for one.")
@with_principal
@command
def start(cli: Cli, entry: str, input: Any, whom: Mapping[str, Any], **how: Any) -> None:
    """Start a run of the workflow ENTRY with JSON as its argument."""
    asked = _How(**how)

    async def work(runtime: Remote) -> None:
        _judge(runtime, entry, input)
        await _look_for_worker(cli, runtime, entry, asked)
        place: dict[str, Any] = {"id": asked.run_id, "worker": asked.worker, **asked.budget}
        started = await runtime.start(entry, *given(input), **place, id_conflict_policy="fail", **whom)
        if asked.wait:
            cli.say(f"{started.id} started")
            cli.emit(await runtime.result(started.id))
            return
        answer = {"id": started.id, "run_id": started.run_id, "pid": started.pid}
        cli.emit(answer, lambda: click.echo(started.id))

    with_runtime(cli, work, checked=True)


def _judge(runtime: Remote, entry: str, input: Any) -> None:
    """What the workflow does not take is a misuse of the command."""
    workflow = runtime.registry.find_workflow(entry)
    if workflow is None or workflow.input_schema is None:
        return
    try:
        inputs.check(workflow.id, workflow.input_schema, None if input is MISSING else input)
    except Error as error:
        raise click.UsageError(str(error)) from None


async def _look_for_worker(cli: Cli, runtime: Remote, entry: str, how: _How) -> None:
    """Raises `Error` UNAVAILABLE when nobody would take the run up, or another registry's scripts would; with `unserved`, says so."""
    for look in range(_LOOKS):
        if look:
            await asyncio.sleep(1)
        why = await runtime.unserved_start(entry, how.worker)
        if why is None:
            return
        if how.unserved:
            cli.say(f"{entry} waits to be served: {why}")
            return
    workers = runtime.registry.of_kind(TemporalWorker)
    known = [name for worker in workers for name in (worker.id, queue_of(runtime.registry, worker))]
    hint = did_you_mean(how.worker, known) if how.worker and how.worker not in known else None
    raise unavailable(
        f"{entry} is not served: {why}{f'; {hint}' if hint else ''}. Run evermoon dev or evermoon serve for this registry, or start it with --unserved",
        retryable=False,
    )
