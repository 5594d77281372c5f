from __future__ import annotations

from pathlib import Path

import click
import pytest

from runtime.cli.main import evermoon

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()


@pytest.mark.parametrize("name", list(evermoon.commands))
def test_every_command_and_option_is_on_its_page(name: str) -> None:
    assert f"`{name}" in PAGE
    for parameter in evermoon.commands[name].params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            spellings = [*parameter.opts, *parameter.secondary_opts]
            assert any(f"{spelling}" in PAGE for spelling in spellings), spellings
