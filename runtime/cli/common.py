"""The parts that every sub-command shares: its options, its two ways of speaking (people, machines), and how failures end it."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from runtime import durations
from runtime.cli.beginning import imported
from runtime.cli.logs import configure_logging
from runtime.cli.output import FAILED, to_json
from runtime.errors import Error, unavailable
from runtime.late import late
from runtime.registry import Problem, RegistryError
from runtime.settings import Settings

if TYPE_CHECKING:
    import asyncio

    from rich import console, markup
else:
    asyncio = late("asyncio")
    console, markup = late("rich.console"), late("rich.markup")

T = TypeVar("T")


@dataclass
class Cli:
    """One invocation: its settings, and where it says things. Values go to standard output, everything else to standard error."""

    settings: Settings
    as_json: bool = False

    @cached_property
    def out(self) -> console.Console:
        return console.Console(highlight=False, soft_wrap=True)

    @cached_property
    def err(self) -> console.Console:
        return console.Console(highlight=False, soft_wrap=True, stderr=True)

    def emit(self, value: Any, human: Callable[[], None] | None = None) -> None:
        """The outcome: as one line of JSON with `--json`, else as `human` prints it, else as indented JSON."""
        if self.as_json:
            click.echo(to_json(value))
        elif human is not None:
            human()
        else:
            click.echo(to_json(value, indent=2))

    def say(self, text: str) -> None:
        """A line for people, on standard error. Silent with `--json`."""
        if not self.as_json:
            self.err.print(escape(text))


def escape(text: str) -> str:
    """Text as it stands, in what a `Console` prints."""
    return markup.escape(text)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Gives a click command the shared options; `function` gets them as its first argument, a `Cli`."""

    @functools.wraps(function)
    def run(
        registry: str | None,
        overrides: tuple[str, ...],
        state: str | None,
        bundles: str | None,
        log_level: str | None,
        json: bool,
        **rest: Any,
    ) -> None:
        cli: Cli | None = None
        imported()
        try:
            settings = Settings.read(
                registry=registry, overrides=overrides, state=state, bundles=bundles, log_level=log_level
            )
            cli = Cli(settings, json)
            configure_logging(settings.log_level)
            function(cli, **rest)
        except Error as error:
            report(error, json)
            sys.exit(FAILED)
        except OSError as error:
            if error.filename is None:  # about no file that somebody named
                raise
            report(_about_file(error, cli), json)
            sys.exit(FAILED)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


def _about_file(error: OSError, cli: Cli | None) -> Error:
    """In a project that cannot be written to it is the state that has no place."""
    text = f"{error.filename}: {error.strerror}"
    state = cli.settings.state.absolute() if cli is not None else None
    if state is not None and isinstance(error.filename, str) and Path(error.filename).absolute().is_relative_to(state):
        text += "; --state DIR keeps the state elsewhere"
    return unavailable(text, retryable=False)


_OPTIONS = (
    click.option(
        "--registry", metavar="PATH", help="Registry: a file or a directory.  [default: config/registry.yaml]"
    ),
    click.option(
        "-o", "overrides", metavar="NS:ENTRY:PATH=VALUE", multiple=True, help="Replace a field at launch; repeatable."
    ),
    click.option("--state", metavar="DIR", help="Where `dev` keeps its state.  [default: .evermoon]"),
    click.option(
        "--bundles",
        metavar="DIR|URL",
        help="The bundle store that hosts share: a directory or a database.  [default: bundles/ of --state]",
    ),
    click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="How much is logged."),
    click.option("--json", is_flag=True, help="Speak JSON, for machines."),
)


def run_async(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def json_argument(_context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Click callback: JSON text to a value; absent stays absent (`MISSING`). Misuse when it is no JSON."""
    if value is None:
        return MISSING
    if isinstance(value, tuple):
        return tuple(parse_json(text, parameter) for text in value)
    return parse_json(value, parameter)


def seconds(_context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Click callback: a duration such as 30s, in seconds. Misuse when it is none."""
    if value is None:
        return None
    try:
        return durations.parse(value).total_seconds()
    except Error as error:
        raise click.BadParameter(str(error), param=parameter) from None


def actor_argument(
    _context: click.Context, parameter: click.Parameter, value: str | None
) -> str | dict[str, Any] | None:
    """Click callback: an actor's id, or it and what is known of it as JSON."""
    if value is None or not value.startswith("{"):
        return value
    actor: dict[str, Any] = parse_json(value, parameter)
    return actor


def with_principal(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options: for whom something is started, and what that may do; together the argument `whom` of `function`."""

    @functools.wraps(function)
    def run(*args: Any, actor: Any, scope: tuple[str, ...], **rest: Any) -> None:
        function(*args, whom={"actor": actor, "scope": scope or None}, **rest)

    scope = click.option(
        "--scope", metavar="NAME", multiple=True, help="What limits it: a policy, or a group; repeatable."
    )
    who = 'For whom: an id, or {"id": …, "meta": {…}}.'
    return click.option("--actor", metavar="ID", callback=actor_argument, help=who)(scope(run))


#: What an optional JSON argument is when it was not given; `null` is a value.
MISSING: Any = object()


def parse_json(text: str, parameter: click.Parameter | None = None) -> Any:
    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"not JSON: {error}", param=parameter) from None


def given(value: Any) -> list[Any]:
    """A JSON argument as the list of arguments it stands for."""
    return [] if value is MISSING else [value]


def report(error: Error, as_json: bool) -> None:
    """One clear message; every problem of a broken registry."""
    if as_json:
        wire = error.to_wire()
        if isinstance(error, RegistryError):
            wire = {**wire, "problems": [problem_document(problem) for problem in error.problems]}
        click.echo(to_json({"error": wire}))
        return
    kind = f" [{error.kind}]" if error.kind and not isinstance(error, RegistryError) else ""
    click.echo(f"evermoon: {error}{kind}", err=True)
    if error.stack:
        click.echo(error.stack, err=True)


def problem_document(problem: Problem) -> dict[str, Any]:
    return {
        "file": str(problem.file),
        "line": problem.line,
        "entry": problem.entry_id,
        "severity": problem.severity,
        "message": problem.message,
        "hint": problem.hint,
        "docs": problem.docs,
    }
