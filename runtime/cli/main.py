"""The command `evermoon`. Exit status: 0 done, 1 failed, 2 misused."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from runtime.cli.beginning import begin_process
from runtime.cli.lazy import LazyGroup
from runtime.cli.output import DONE, FAILED, MISUSED, to_json
from runtime.cli.process_exit import end_process
from runtime.errors import invalid

#: In the order in which help lists them: run, act, look, author.
_COMMANDS = {
    "dev": ("runtime.cli.dev", "Run an embedded Temporal server, workers and HTTP; reload on save."),
    "serve": (
        "runtime.cli.serve",
        "Run workers and HTTP against the cluster that the registry or the environment names.",
    ),
    "start": ("runtime.cli.start", "Start a run of the workflow ENTRY with JSON as its argument."),
    "send": ("runtime.cli.run_commands", "Send a message to run ID: a signal named TOPIC with JSON as its payload."),
    "query": ("runtime.cli.run_commands", "Ask run ID the query NAME and print the answer."),
    "update": ("runtime.cli.run_commands", "Run the update NAME on run ID and print its answer; a refusal fails."),
    "result": ("runtime.cli.result", "Wait for run ID to end and print its result; fails as the run did."),
    "cancel": ("runtime.cli.run_commands", "Ask run ID to cancel; it may compensate first."),
    "terminate": ("runtime.cli.run_commands", "End run ID at once; its script is not asked."),
    "ps": (
        "runtime.cli.ps",
        "List the runs of this registry, newest first, and the processes of a host.",
    ),
    "show": (
        "runtime.cli.show",
        "Show run ID: its state, where its Lua code waits, what is pending and what failed last.",
    ),
    "events": ("runtime.cli.events", "Tell what happened to run ID, through continue-as-new: one event a line."),
    "schedules": ("runtime.cli.schedules", "List schedules, or do something with one."),
    "call": (
        "runtime.cli.call",
        "Run the function ENTRY on this machine, each JSON one argument, and print what it returns.",
    ),
    "check": (
        "runtime.cli.check",
        "Check the registry and every script in it: all mistakes at once, each with file, line and entry.",
    ),
    "test": (
        "runtime.cli.test",
        "Run the tests in *_test.lua files on the virtual host: no server, no waiting.",
    ),
    "replay": (
        "runtime.cli.replay",
        "Replay recorded histories; fails on a divergence, and says where in the script it begins.",
    ),
    "deploy": (
        "runtime.cli.deploy",
        "Publish the registry's files here to every `evermoon serve` that shares the bundle store.",
    ),
    "bundles": ("runtime.cli.bundles", "List the bundles of the store, or prune those that nothing needs."),
    "docs": ("runtime.cli.docs", "Show PAGE of the documentation, or list its pages."),
    "new": ("runtime.cli.new", "Write a first workflow and its registry to the directory NAME."),
}


@click.group(
    cls=LazyGroup, lazy=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120}
)
@click.version_option(package_name="evermoon", prog_name="evermoon")
def evermoon() -> None:
    """Durable workflows written in Lua, on Temporal.

    `evermoon dev` runs everything on this machine; the other commands find it by themselves. Without it they use the
    cluster that the registry's temporal.client names.
    """


def main(args: Sequence[str] | None = None) -> NoReturn:
    """The entry point. Ends the process as soon as the command has ended, see `end_process`."""
    begin_process()
    end_process(run(sys.argv[1:] if args is None else list(args)))


def run(words: list[str]) -> int:
    """Runs a command to its end; the exit status."""
    try:
        status = evermoon.main(args=words, prog_name="evermoon", standalone_mode="--json" not in words)
        return status if isinstance(status, int) else DONE
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else DONE
    except click.UsageError as error:
        misuse = invalid(error.format_message(), usage=_usage(error))
        click.echo(to_json({"error": misuse.to_wire()}))
        return MISUSED
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        return FAILED
    except Exception:
        traceback.print_exc()
        return FAILED


def _usage(error: click.UsageError) -> str:
    return error.ctx.get_usage() if error.ctx is not None else ""


if __name__ == "__main__":
    main()
