from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from runtime.cli.main import evermoon, run
from tests.cli.shell import EVERMOON, environment, on_terminal

CONTEXT = click.Context(evermoon)
LINES = {name: line for name, (_, line) in evermoon.lazy.items()}
COMMANDS = evermoon.list_commands(CONTEXT)
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cli.md").read_text()


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


def test_texts_name_pages_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """As they stand in the source: with a kind, or another part that is filled in, where there are braces."""
    texts = [path.read_text() for kind in ("*.py", "*.lua") for path in (ROOT / "runtime").rglob(kind)]
    named = {name.rstrip(".") for text in texts for name in re.findall(r"evermoon docs ([a-z][\w./#{}-]*)", text)}
    assert {"registry", "determinism", "http#middleware", "kinds/{kind}"} <= named
    for name in named - {"kinds/{kind}"}:
        assert run(["docs", name]) == 0, name
        assert capsys.readouterr().out.startswith("#")
    assert not [text for text in texts if re.search(r"(see|in) docs/[a-z_]+\.md[^.]*\"", text)]


@pytest.mark.parametrize(
    ("page", "begins"),
    [
        ("cli", "# Command line\n"),
        ("docs/cli.md", "# Command line\n"),
        ("time", "# time\n"),
        ("kinds/workflow.lua", "# `workflow.lua`\n"),
        ("cli#which-server", "## Which server\n"),
        ("docs/cli.md#evermoon-serve", "### evermoon serve\n"),
    ],
)
def test_a_page_is_printed_as_it_stands(page: str, begins: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["docs", page]) == 0
    said = capsys.readouterr().out
    assert said.startswith(begins)
    assert said.rstrip() in PAGE or "#" not in page


@pytest.mark.parametrize(
    ("page", "hint"),
    [("modules/tim", 'did you mean "modules/time"?'), ("cli#wich-server", 'did you mean "which-server"?')],
)
def test_a_page_that_is_not_there_is_a_misuse(page: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["docs", page]) == 2
    assert hint in capsys.readouterr().err


def test_pages_are_listed_with_their_titles(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["docs"]) == 0
    listed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert listed["cli"] == "Command line"
    assert len(listed) == len(list((ROOT / "docs").rglob("*.md")))


def test_on_a_terminal_a_page_is_set_and_shown_in_the_pager() -> None:
    """A pager of ours, so that what it is given is seen."""
    environ = environment({"PAGER": "sed s/^/paged:/", "TERM": "xterm", "COLUMNS": "100", "LINES": "30"})
    shown = on_terminal([*EVERMOON, "docs", "cli#which-server"], environ)
    assert "paged:" in shown
    assert "Which server" in shown
    assert "## Which server" not in shown  # set, not printed as it is written


def test_a_shell_completes_commands_and_options() -> None:
    environ = environment({"_EVERMOON_COMPLETE": "bash_complete", "COMP_WORDS": "evermoon sch", "COMP_CWORD": "1"})
    done = subprocess.run(EVERMOON, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["plain,schedules"]
    environ |= {"COMP_WORDS": "evermoon start --wo", "COMP_CWORD": "2"}
    done = subprocess.run(EVERMOON, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["plain,--worker"]


def test_listing_the_commands_imports_none_of_them() -> None:
    code = "import sys; from runtime.cli.main import run; run(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *listed, imported = done.stdout.splitlines()
    begin = listed.index("Commands:") + 1
    assert [line.split()[0] for line in listed[begin:] if line[2] != " "] == COMMANDS
    said = " ".join(" ".join(listed[begin:]).split())
    assert [line for line in LINES.values() if " ".join(line.split()) not in said] == []  # each of them whole
    assert {"runtime.app.runtime", "runtime.registry", "temporalio", "asyncio"}.isdisjoint(imported.split())
