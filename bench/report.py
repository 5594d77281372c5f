"""Results for people, as tables in a terminal, and as Markdown for the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.result import Result
from bench.stats import Spread

_COLUMNS = ("what", "who", "median", "quartiles", "against", "ratio", "quartiles", "target")


def printed(console: Console, results: Sequence[Result]) -> None:
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(_COLUMNS):
        table.add_column(column, justify="left" if number in (0, 1, 4) else "right", overflow="fold")
    for result in results:
        for line in _lines(result):
            table.add_row(*line)
    console.print(table)
    for result in results:
        if result.remark:
            console.print(f"[dim]{result.title}: {result.remark}[/dim]")


def markdown(machine: Mapping[str, Any], results: Sequence[Result], command: str) -> str:
    """What the page has between its marks."""
    remarks = [f"{result.title}: {result.remark}" for result in results if result.remark]
    told = [f"- {text}" for text in [*remarks, *machine["notes"]]]
    return "\n".join([*_machine(machine, command), "", *_table(results), "", *told]) + "\n"


def _machine(machine: Mapping[str, Any], command: str) -> Iterator[str]:
    place, versions = machine["machine"], machine["versions"]
    load = " ".join(f"{value:.1f}" for value in place["load"])
    yield f"`{command}` on {machine['date'][:10]}: {place['cpu']}, {place['cores']} cores, {place['system']}, load {load} at the start."
    yield "Versions: " + ", ".join(f"{name} {value}" for name, value in versions.items()) + "."


def _table(results: Sequence[Result]) -> Iterator[str]:
    yield "| " + " | ".join(_COLUMNS) + " |"
    yield "|---|---|---:|---:|---|---:|---:|---:|"
    for result in results:
        for line in _lines(result):
            yield "| " + " | ".join(line) + " |"


def _lines(result: Result) -> Iterator[tuple[str, ...]]:
    """The base last: it is what the others are measured against."""
    names = [name for name in result.values if name != result.base]
    for number, name in enumerate([*names, result.base]):
        title, spread, ratio = result.title if number == 0 else "", result.spread(name), result.ratio(name)
        against = (result.base, f"{ratio.median:.2f}", _quartiles(ratio)) if ratio else ("", "", "")
        yield (
            title,
            name,
            f"{_number(spread.median)} {result.unit}",
            _quartiles(spread),
            *against,
            result.target(name),
        )


def _quartiles(spread: Spread) -> str:
    return f"{_number(spread.low)}–{_number(spread.high)}"


def _number(value: float) -> str:
    """Three digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
