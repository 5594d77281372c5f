"""The command `evermoon docs`, which shows the pages of the documentation that the package brings along."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtime.cli.common import Cli, command, escape
from runtime.late import late
from runtime.registry.problems import did_you_mean

if TYPE_CHECKING:
    from rich import console, markdown
else:
    console, markdown = late("rich.console"), late("rich.markdown")

#: In the package `evermoon`, which is installed beside this one.
PAGES = Path(__file__).parents[2] / "evermoon" / "docs"
_HEADING = re.compile(r"(#+) +(.*)")


@click.command("docs")
@click.argument("page", required=False)
@click.option("--no-pager", is_flag=True, help="Print everything at once, also on a terminal.")
@command
def docs(cli: Cli, page: str | None, no_pager: bool) -> None:
    """Show PAGE of the documentation, or list its pages.

    PAGE is a name as in `cli`, `modules/time` or `kinds/workflow.lua`, with or without `docs/` and `.md`; after a # comes one of its headings.
    """
    names = {str(path.relative_to(PAGES).with_suffix("")): path for path in sorted(PAGES.rglob("*.md"))}
    if page is None:
        listed = {name: _title(path) for name, path in names.items()}
        width = max(map(len, listed))
        cli.emit(
            listed, lambda: _show("\n".join(f"{name:<{width}}  {title}" for name, title in listed.items()), no_pager)
        )
        return
    name, _, anchor = page.removeprefix("docs/").partition("#")
    name = name.removesuffix(".md")
    name = name if name in names else _only(name, names)
    text = names[name].read_text(encoding="utf-8")
    if anchor:
        text = _section(text, anchor, name)
    cli.emit({"page": name, "text": text}, lambda: _show(text, no_pager, pretty=True))


def _only(name: str, names: dict[str, Path]) -> str:
    """The one page whose last part is `name`. A page that is not there is a misuse."""
    found = [known for known in names if known.rpartition("/")[2] == name]
    if len(found) == 1:
        return found[0]
    hint = (
        f"did you mean {' or '.join(found)}?" if found else did_you_mean(name, names) or "list them with evermoon docs"
    )
    raise click.BadParameter(f"no page {name!r}; {hint}", param_hint="PAGE")


def _title(path: Path) -> str:
    with path.open(encoding="utf-8") as lines:
        return next((line.strip("#` \n") for line in lines if line.startswith("# ")), "")


def _section(text: str, anchor: str, name: str) -> str:
    """From the heading of that anchor to the next of its level."""
    lines, begin, depth = text.splitlines(keepends=True), None, 0
    for number, level, title in _headings(lines):
        if begin is not None and level <= depth:
            return "".join(lines[begin:number])
        if begin is None and _anchor(title) == anchor:
            begin, depth = number, level
    if begin is not None:
        return "".join(lines[begin:])
    hint = did_you_mean(anchor, [_anchor(title) for _, _, title in _headings(lines)])
    raise click.BadParameter(f"{name} has no heading #{anchor}{f'; {hint}' if hint else ''}", param_hint="PAGE")


def _headings(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """Line, level and text of each; what stands in a fence is none."""
    fenced = False
    for number, line in enumerate(lines):
        fenced ^= line.startswith("```")
        if not fenced and (found := _HEADING.match(line)):
            yield number, len(found[1]), found[2]


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-")


def _show(text: str, no_pager: bool, *, pretty: bool = False) -> None:
    """On a terminal as it is read best, and in its pager; anywhere else as it stands."""
    if not sys.stdout.isatty():
        click.echo(text)
        return
    screen = console.Console()
    with screen.capture() as capture:
        screen.print(markdown.Markdown(text) if pretty else escape(text))
    if no_pager:
        click.echo(capture.get(), nl=False)
    else:
        click.echo_via_pager(capture.get())
