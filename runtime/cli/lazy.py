"""A group whose commands are imported when they are run. Listing them, or mistyping one, imports none."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from runtime.late import late

if TYPE_CHECKING:
    from runtime.registry import problems
else:
    problems = late("runtime.registry.problems")


class LazyGroup(click.Group):
    """A group that lists `lazy` in its order. It maps a command's name to its module, where the command has the same name, and to the first line of its help."""

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]], **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return None
        module, _ = self.lazy[cmd_name]
        command = getattr(import_module(module), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Raises `UsageError`, with what may be meant, for a command that there is not."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            hint = problems.did_you_mean(args[0], self.lazy)
            if hint is None:
                raise
            raise click.UsageError(f"{error.message.rstrip('.')}; {hint}", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click does it, but from the first lines alone, and each of them whole."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.lazy.items()])
