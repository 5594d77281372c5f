"""The command `evermoon`. Exit status: 0 done, 1 failed, 2 misused."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from typing import NoReturn

import click

from runtime.cli.bundles import bundles
from runtime.cli.call import call
from runtime.cli.check import check
from runtime.cli.common import DONE, FAILED, MISUSED, report
from runtime.cli.deploy import deploy
from runtime.cli.dev import dev
from runtime.cli.events import events
from runtime.cli.lifetime import end_process
from runtime.cli.new import new
from runtime.cli.ps import ps
from runtime.cli.replay import replay
from runtime.cli.result import result
from runtime.cli.schedules import schedules
from runtime.cli.serve import serve
from runtime.cli.show import show
from runtime.cli.start import start
from runtime.cli.talk import cancel, query, send, terminate, update
from runtime.cli.test import test
from runtime.errors import INVALID, Error


class _InOrder(click.Group):
    """Lists commands in the order they were added: run, act, look, author."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(version("evermoon"), prog_name="evermoon")
def evermoon() -> None:
    """Durable workflows written in Lua, on Temporal.

    `evermoon dev` runs everything on this machine; the other commands find it by themselves. Without it they use the
    cluster that the registry's temporal.client names.
    """


for _command in (
    dev,
    serve,
    start,
    send,
    query,
    update,
    result,
    cancel,
    terminate,
    ps,
    show,
    events,
    schedules,
    call,
    check,
    test,
    replay,
    deploy,
    bundles,
    new,
):
    evermoon.add_command(_command)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """The entry point. Ends the process as soon as the command has ended, see `end_process`."""
    end_process(run(sys.argv[1:] if args is None else list(args)))


def run(words: list[str]) -> int:
    """Runs a command to its end; the exit status."""
    try:
        status = evermoon.main(args=words, prog_name="evermoon", standalone_mode="--json" not in words)
        return status if isinstance(status, int) else DONE
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else DONE
    except click.UsageError as error:
        report(Error(INVALID, error.format_message(), retryable=False, details={"usage": _usage(error)}), as_json=True)
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
