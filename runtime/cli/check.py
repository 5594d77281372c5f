from __future__ import annotations

import sys

import click

from runtime.cli.common import Cli, command, problem_document
from runtime.cli.output import DONE, FAILED
from runtime.loading import load_registry
from runtime.registry import Problem, RegistryError


@click.command("check")
@command
def check(cli: Cli) -> None:
    """Check the registry and every script in it: all mistakes at once, each with file, line and entry."""
    try:
        registry = load_registry(cli.settings, strict=True)
    except RegistryError as error:
        _show(cli, list(error.problems), 0)
        sys.exit(FAILED)
    _show(cli, registry.notes, len(registry.entries))
    sys.exit(DONE)


def _show(cli: Cli, problems: list[Problem], entries: int) -> None:
    errors = sum(problem.severity != "note" for problem in problems)
    document = {
        "ok": errors == 0,
        "entries": entries,
        "problems": [problem_document(problem) for problem in problems],
    }

    def human() -> None:
        for problem in problems:
            click.echo(str(problem), err=problem.severity != "note")
        if errors:
            click.echo(f"{errors} problem{'' if errors == 1 else 's'}", err=True)
        else:
            click.echo(f"{entries} entries, no mistakes")

    cli.emit(document, human)
