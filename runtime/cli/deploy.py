"""The command `evermoon deploy`, which publishes the files here to every `evermoon serve` that shares the bundle store."""

from __future__ import annotations

import socket
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import click

from runtime.cli.common import Cli, command, seconds
from runtime.cli.dev_state import DevState
from runtime.errors import not_found, timed_out, unavailable
from runtime.loading import load_registry
from runtime.lua.program import Programs
from runtime.registry import BundleStore, FileSet, Release, Releases, Report, host_code, open_store

_LOOK_EVERY = 0.5
_SHOWN = 10
_PREVIOUS = "previous"


@dataclass(frozen=True, slots=True)
class _DeployPlan:
    """The plan of a deploy: a set of files, and what is said of it."""

    files: FileSet
    bundles: dict[str, str]
    note: str
    host_code: list[tuple[str, str]]


@click.command("deploy")
@click.option(
    "--wait", is_flag=True, help="Until every process that runs serves it, or refuses it: then the command fails."
)
@click.option(
    "--timeout",
    "patience",
    metavar="DURATION",
    default="60s",
    show_default=True,
    callback=seconds,
    help="How long to wait.",
)
@click.option("--note", default="", help="A word on it, shown by --status.")
@click.option("--status", is_flag=True, help="Publish nothing: show the releases, and which process serves which.")
@click.option(
    "--rollback",
    metavar="[NUMBER]",
    is_flag=False,
    flag_value=_PREVIOUS,
    help="Publish the files of an earlier release again; without a number those of the one before the newest.",
)
@command
def deploy(cli: Cli, wait: bool, patience: float, note: str, status: bool, rollback: str | None) -> None:
    """Publish the registry's files here to every `evermoon serve` that shares the bundle store.

    They are checked as `check` does, and published whole or not at all. New runs use the new code, open runs what they began with.
    Python functions are code of the host and are not shipped.
    """
    store = open_store(_place(cli))
    releases = Releases(store)
    if status:
        _show(cli, releases)
        return
    plan = _earlier(cli, releases, rollback, note) if rollback is not None else _here(cli, store, note)
    release, created = _published(releases, plan)
    number = release.number
    cli.say(f"release {number}: {_told(plan)}" if created else f"release {number} has these files already")
    for id, source in plan.host_code:
        cli.say(f"not shipped, being code of the host: {id} ({source})")
    hosts = _waited(cli, releases, number, patience) if wait else releases.hosts()
    document = {
        "release": _document(release),
        "created": created,
        "not_shipped": [id for id, _ in plan.host_code],
        "hosts": [_host(report, number) for report in hosts],
    }
    cli.emit(document, lambda: _print_hosts(hosts, number))


def _place(cli: Cli) -> str:
    """The store of the settings; that of a running `dev` when nobody named one."""
    dev = DevState.read(cli.settings.state)
    return dev.bundles if dev and dev.bundles and not cli.settings.bundles else cli.settings.bundle_place


def _here(cli: Cli, store: BundleStore, note: str) -> _DeployPlan:
    """Raises `RegistryError` with every mistake."""
    files = FileSet.of(load_registry(cli.settings, strict=True))
    return _plan(cli, store, files, note)


def _earlier(cli: Cli, releases: Releases, number: str | None, note: str) -> _DeployPlan:
    listed = releases.listed()
    if number == _PREVIOUS:
        if len(listed) < 2:
            raise not_found("release", "the one before the newest")
        found = next((item for item in listed if item.files != listed[0].files), listed[1])
    else:
        try:
            found = releases.get(int(number or ""))
        except ValueError:
            raise click.BadParameter(f"{number!r} is no number of a release", param_hint="--rollback") from None
    return _plan(cli, open_store(_place(cli)), releases.files(found), note or f"release {found.number} again")


def _plan(cli: Cli, store: BundleStore, files: FileSet, note: str) -> _DeployPlan:
    """What is published is what was loaded, and checked, from the set itself."""
    registry = load_registry(cli.settings, files=files)
    programs = Programs(registry, store)
    programs.publish()
    return _DeployPlan(files, {id: hash for hash, id in programs.current.items()}, note, host_code(registry))


def _published(releases: Releases, plan: _DeployPlan) -> tuple[Release, bool]:
    newest = releases.newest()
    last = releases.get(newest) if newest else None
    if last is not None and last.files == plan.files.hash:
        return last, False
    return releases.publish(plan.files, plan.bundles, by=socket.gethostname(), note=plan.note), True


def _told(plan: _DeployPlan) -> str:
    return f"{len(plan.files.files)} files, {len(plan.bundles)} workflows" + (f" ({plan.note})" if plan.note else "")


def _waited(cli: Cli, releases: Releases, number: int, seconds: float) -> list[Report]:
    """The processes, once each serves the release. Raises `Error`: UNAVAILABLE when one refuses it, TIMEOUT."""
    deadline = time.monotonic() + seconds
    shown = None
    while True:
        hosts = releases.hosts()
        serving = [report for report in hosts if report.release >= number]
        refusing = [report for report in hosts if report.release < number <= report.refused]
        if (counts := (len(serving), len(refusing), len(hosts))) != shown:
            cli.say(f"{len(serving)} of {len(hosts)} processes serve release {number}")
            shown = counts
        if len(serving) + len(refusing) == len(hosts):
            break
        if time.monotonic() > deadline:
            late = [report for report in hosts if report.release < number]
            raise timed_out(f"not served within {seconds:g} s by {_names(late)}", **_details(hosts, number))
        time.sleep(_LOOK_EVERY)
    if refusing:
        text = f"release {number} is refused by {_names(refusing)}, which go on with what they serve:\n{refusing[0].problem}"
        raise unavailable(text, retryable=False, **_details(hosts, number))
    return hosts


def _details(hosts: list[Report], number: int) -> dict[str, Any]:
    return {"release": number, "hosts": [_host(report, number) for report in hosts]}


def _names(reports: list[Report]) -> str:
    return ", ".join(f"{report.machine} (process {report.pid})" for report in reports)


def _show(cli: Cli, releases: Releases) -> None:
    listed, hosts, newest = releases.listed()[:_SHOWN], releases.hosts(), releases.newest()

    def human() -> None:
        for release in listed:
            click.echo(f"release {release.number:<5} {_moment(release.at)}  by {release.by}  {release.note}".rstrip())
        if not listed:
            click.echo("nothing has been deployed")
        _print_hosts(hosts, newest)

    document = {"releases": [_document(item) for item in listed], "hosts": [_host(item, newest) for item in hosts]}
    cli.emit(document, human)


def _print_hosts(hosts: list[Report], number: int) -> None:
    for report in hosts:
        served = f"release {report.release}" if report.release else "its own files"
        note = {"refused": f"  refuses release {report.refused}", "behind": "  not yet"}.get(_state(report, number), "")
        click.echo(f"{report.machine} (process {report.pid})  {served}{note}")
        for line in report.problem.splitlines() if report.refused else []:
            click.echo(f"    {line}")
    if not hosts:
        click.echo("no process follows this store now; those that start will serve it")


def _document(release: Release) -> dict[str, Any]:
    return {**asdict(release), "at": _moment(release.at)}


def _host(report: Report, number: int) -> dict[str, Any]:
    return {**asdict(report), "state": _state(report, number)}


def _state(report: Report, number: int) -> str:
    if report.release >= number:
        return "serving"
    return "refused" if report.refused >= number else "behind"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
