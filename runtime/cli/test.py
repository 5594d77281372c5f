from __future__ import annotations

import contextlib
import io
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from runtime.cli.common import Cli, command
from runtime.cli.output import DONE, FAILED
from runtime.errors import invalid
from runtime.loading import load_registry
from runtime.testing.lua_files import SUFFIX, LuaFile, below
from runtime.testing.suite import Case, Outcome, Suite, Unreadable


@click.command("test")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("-k", "part", metavar="TEXT", default="", help="Only tests whose name holds TEXT, in any case.")
@click.option("-x", "--exitfirst", "stops", is_flag=True, help="Stop at the first test that fails.")
@click.option("--list", "lists", is_flag=True, help="Only say which tests there are.")
@command
def test(cli: Cli, paths: tuple[Path, ...], part: str, stops: bool, lists: bool) -> None:
    """Run the tests in *_test.lua files on the virtual host: no server, no waiting.

    PATH is a file, or a directory with all below it; without one it is this directory. A test finds the entries of the registry,
    and may answer the calls they make. What a test prints is shown below its line.

    Ends with status 0 when every test passed, 1 when one failed or a file cannot be run, 2 when there is no test to run.
    """
    lines = Lines()
    files = _files(paths or [Path()])
    if not files:
        raise click.UsageError(f"no file named *{SUFFIX} in {', '.join(map(str, paths)) or 'this directory'}")
    suite = Suite(load_registry(cli.settings), files, log=lines.log)
    found = [item for item in suite.collected if _is_wanted(item, part)]
    if not found:
        raise click.UsageError(
            f"no test's name holds {part!r}" if part else "these files have no tests for the virtual host"
        )
    if lists:
        cli.emit([_place(item) for item in found], lambda: click.echo("\n".join(_name(item) for item in found)))
        sys.exit(DONE)
    outcomes = _run(cli, suite, found, lines, stops)
    failed = [outcome for outcome in outcomes if not outcome["ok"]]
    document = {"ok": not failed, "tests": outcomes}
    left = f", {len(found) - len(outcomes)} not run" if len(outcomes) < len(found) else ""
    cli.emit(document, lambda: click.echo(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed{left}"))
    sys.exit(FAILED if failed else DONE)


class Lines(io.TextIOBase):
    """What a test writes, in Lua and in Python, kept until it is over."""

    def __init__(self) -> None:
        self._text = ""
        self._lines: list[str] = []

    def log(self, level: str, message: str, about: Mapping[str, Any], /) -> None:
        fields = "".join(f" {name}={value}" for name, value in (about.get("fields") or {}).items())
        said = f"{level.upper()} " if level != "info" else ""
        self._lines.append(f"{about.get('at') or about['entry']}: {said}{message}{fields}")

    def write(self, text: str, /) -> int:
        """Of Python's `print`."""
        *whole, self._text = (self._text + text).split("\n")
        self._lines += whole
        return len(text)

    def taken(self) -> list[str]:
        """All lines since it was asked last."""
        lines, self._lines, self._text = [*self._lines, *([self._text] if self._text else [])], [], ""
        return lines


def _files(paths: Sequence[Path]) -> list[LuaFile]:
    """Each once, in order. Raises `Error` INVALID where two would have one name."""
    files: dict[Path, LuaFile] = {}
    for path in paths:
        for file in below(path):
            files.setdefault(file.source.path.resolve(), file)
    by_id: dict[str, LuaFile] = {}
    for file in files.values():
        other = by_id.setdefault(file.id, file)
        if other is not file:
            raise invalid(f"{file.source.path} and {other.source.path} have the same name: run them one by one")
    return list(files.values())


def _is_wanted(item: Case | Unreadable, part: str) -> bool:
    if isinstance(item, Unreadable):
        return True
    return "virtual" in item.on and part.lower() in item.id.lower()


def _run(cli: Cli, suite: Suite, found: Sequence[Case | Unreadable], lines: Lines, stops: bool) -> list[dict[str, Any]]:
    """What became of each, shown as soon as it is known."""
    outcomes = []
    for item in found:
        with contextlib.redirect_stdout(lines), _logged(lines):
            outcome = item if isinstance(item, Unreadable) else suite.run(item)
        outcomes.append(_document(item, outcome, lines.taken()))
        _show(cli, item, outcomes[-1])
        if stops and not outcomes[-1]["ok"]:
            break
    return outcomes


@contextlib.contextmanager
def _logged(lines: Lines) -> Iterator[None]:
    """What the host logs meanwhile is a test's, too."""
    handlers = [handler for handler in logging.getLogger().handlers if isinstance(handler, logging.StreamHandler)]
    before = [handler.setStream(lines) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in zip(handlers, before, strict=True):
            handler.setStream(stream)


def _show(cli: Cli, item: Case | Unreadable, outcome: Mapping[str, Any]) -> None:
    cli.say(f"{'ok     ' if outcome['ok'] else 'FAILED '} {_name(item)}")
    for line in outcome["printed"]:
        cli.say(f"        | {line}")
    if not outcome["ok"]:
        cli.say(f"        {outcome['message']}")
        for line in outcome["stack"].splitlines():
            cli.say(f"          {line}")


def _name(item: Case | Unreadable) -> str:
    return item.id if isinstance(item, Case) else str(item.file.source.path)


def _place(item: Case | Unreadable) -> dict[str, Any]:
    fields = {"file": str(item.file.source.path)}
    return {**fields, "name": item.name, "at": item.at} if isinstance(item, Case) else {**fields, "name": "", "at": ""}


def _document(item: Case | Unreadable, outcome: Outcome | Unreadable, printed: Sequence[str]) -> dict[str, Any]:
    ok = isinstance(outcome, Outcome) and outcome.ok
    fields = {**_place(item), "ok": ok, "printed": list(printed)}
    return fields if ok else {**fields, "message": outcome.message, "stack": outcome.stack}
