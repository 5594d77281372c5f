from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from runtime.cli.common import Cli, command
from runtime.cli.output import DONE, FAILED
from runtime.loading import load_registry
from runtime.testing.lua_files import find
from runtime.testing.suite import Case, Outcome, Suite


@click.command("test")
@click.argument("path", type=click.Path(exists=True, path_type=Path), default=".")
@click.option("-k", "part", metavar="TEXT", default="", help="Only tests whose name holds TEXT.")
@command
def test(cli: Cli, path: Path, part: str) -> None:
    """Run the tests in *_test.lua files below PATH (a file, or a directory; this one) on the virtual host: no server, no waiting.

    A test finds the entries of the registry, and may answer the calls they make.
    """
    suite = Suite(load_registry(cli.settings), find(path))
    outcomes = []
    for case in suite.cases:
        if "virtual" in case.on and part in case.id:
            outcomes.append(suite.run(case))
            _show(cli, outcomes[-1])
    failed = sum(not outcome.ok for outcome in outcomes)
    cli.emit(_document(outcomes), lambda: click.echo(f"{len(outcomes) - failed} passed, {failed} failed"))
    sys.exit(FAILED if failed or not outcomes else DONE)


def _show(cli: Cli, outcome: Outcome) -> None:
    if outcome.ok:
        cli.say(f"ok      {outcome.case.id}")
        return
    cli.say(f"FAILED  {outcome.case.id}\n        {outcome.message}")
    for line in outcome.stack.splitlines():
        cli.say(f"          {line}")


def _document(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {"ok": all(outcome.ok for outcome in outcomes), "tests": [_test(item.case, item) for item in outcomes]}


def _test(case: Case, outcome: Outcome) -> dict[str, Any]:
    fields = {"file": str(case.file.source.path), "name": case.name, "at": case.at, "ok": outcome.ok}
    return fields if outcome.ok else {**fields, "message": outcome.message, "stack": outcome.stack}
