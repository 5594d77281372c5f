from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from runtime.app.remote import Remote
from runtime.cli.common import Cli, command, escape, run_async
from runtime.cli.connect import with_runtime
from runtime.cli.output import to_json
from runtime.contracts import RunDescription
from runtime.late import late
from runtime.process.pids import Pid

if TYPE_CHECKING:
    from runtime.cli import processes
else:
    processes = late("runtime.cli.processes")


@click.command("show")
@click.argument("run", metavar="ID")
@click.option("--stack", is_flag=True, help="Ask even a run whose long history has to be replayed where it waits.")
@click.option("--url", help="The host of a process; default: that of the running evermoon dev.")
@command
def show(cli: Cli, run: str, stack: bool, url: str | None) -> None:
    """Show run ID: its state, where its Lua code waits, what is pending and what failed last.

    The PID of a process shows that process.
    """
    pid = Pid.parse(run)
    if pid is not None and pid.node is not None:
        process = run_async(processes.shown(processes.host_url(cli, url), run))
        cli.emit(process, lambda: _print_process(cli, process))
        return

    async def work(runtime: Remote) -> tuple[RunDescription, str | None]:
        described = await runtime.describe(run, stack=True, replayed=stack)
        silent = described.closed_at is None and not described.stack
        return described, await runtime.unserved(run) if silent and not cli.as_json else None

    described, unserved = with_runtime(cli, work, lenient=True)
    cli.emit(run_document(described), lambda: _print(cli, described, unserved))


def run_document(run: RunDescription) -> dict[str, Any]:
    return asdict(run)


def _print_process(cli: Cli, process: Mapping[str, Any]) -> None:
    for name in ("pid", "entry", "host", "status"):
        _line(cli, name, process[name])
    _line(cli, "names", ", ".join(process["names"]))
    _line(cli, "started", process["started_at"])
    _line(cli, "by", process["sender"])
    _line(cli, "waiting", process["waiting"])
    for watch in process["watches"]:
        how = [what for what in ("monitors", "links") if watch[what]]
        _line(cli, "watches", f"{watch['pid']} ({', '.join(how)})")
    _print_stack(cli, process["stack"])


def _line(cli: Cli, name: str, value: object) -> None:
    if value not in (None, "", 0):
        cli.out.print(f"[bold]{name:<10}[/bold] {escape(str(value))}")


def _print_stack(cli: Cli, stack: Sequence[Mapping[str, Any]]) -> None:
    for coroutine in stack:
        _line(cli, "coroutine", f"{coroutine.get('coroutine')} waits for {coroutine.get('waiting_for')}")
        for frame in coroutine.get("frames", ()):
            cli.out.print(f"           {escape(str(frame))}")


def _print(cli: Cli, run: RunDescription, unserved: str | None) -> None:
    def line(name: str, value: object) -> None:
        _line(cli, name, value)

    line("id", run.id)
    line("run", run.run_id)
    line("pid", run.pid)
    line("entry", run.entry)
    line("status", f"{run.status} ({run.state})")
    line("queue", run.task_queue)
    if unserved is not None:
        line("waiting", f"for a worker: none polls the task queue {unserved}")
    line("started", run.started_at)
    line("closed", run.closed_at)
    begin_anew = ", and the server suggests to continue as new" if run.continue_as_new_suggested else ""
    line("events", f"{run.history_length}{begin_anew}")
    line("bundle", run.bundle)
    line("details", run.details if isinstance(run.details, str | None) else to_json(run.details))
    if run.cancel:
        line(
            "canceled", f"by {run.cancel['by']} at {run.cancel['at']}: {run.cancel['reason'] or 'no reason was given'}"
        )
    if run.failure:
        line("failure", _failure(run.failure))
        for frame in str(run.failure.get("stack") or "").splitlines():
            cli.out.print(f"           {escape(frame)}")
    for warning in run.warnings:
        line("warning", warning)
    for pending in run.pending:
        line("pending", _pending(pending))
    _print_stack(cli, run.stack)


def _failure(failure: Mapping[str, Any]) -> str:
    text = str(failure.get("message") or to_json(failure))
    return f"{text} [{failure['kind']}]" if failure.get("kind") else text


def _pending(pending: Any) -> str:
    text = f"{pending.get('activity')} attempt {pending.get('attempt')} {pending.get('state') or ''}".rstrip()
    failure = pending.get("last_failure")
    if failure:
        text += f"; last failure: {failure.get('message') if isinstance(failure, dict) else failure}"
    if pending.get("next_retry_at"):
        text += f"; next retry at {pending['next_retry_at']}"
    return text
