from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from runtime.cli.main import evermoon

CONTEXT = click.Context(evermoon)
LINES = {name: line for name, (_, line) in evermoon.lazy.items()}
COMMANDS = evermoon.list_commands(CONTEXT)
PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()


def command(name: str) -> click.Command:
    found = evermoon.get_command(CONTEXT, name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_on_its_page(name: str) -> None:
    assert f"`{name}" in PAGE
    for parameter in command(name).params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            spellings = [*parameter.opts, *parameter.secondary_opts]
            assert any(f"{spelling}" in PAGE for spelling in spellings), spellings


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_a_command_says_of_itself(name: str) -> None:
    assert command(name).name == name
    assert LINES[name] == command(name).get_short_help_str(limit=10_000)


def test_listing_the_commands_imports_none_of_them() -> None:
    code = "import sys; from runtime.cli.main import run; run(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *listed, imported = done.stdout.splitlines()
    assert [line.split()[0] for line in listed[-len(COMMANDS) :]] == COMMANDS
    assert {"runtime.app.runtime", "runtime.registry", "temporalio", "asyncio"}.isdisjoint(imported.split())
