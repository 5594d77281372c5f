"""The command itself."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from bench import page
from bench.__main__ import Asked, keep, main
from bench.result import Result
from bench.rows import ROWS

RESULT = Result("worker CPU", "µs", "un", {"evermoon": [2.0], "un": [1.0]})
MACHINE = {
    "date": "2025-01-31T06:00:00+00:00",
    "machine": {"cpu": "a processor", "cores": 2, "system": "Linux", "load": [0.1]},
    "versions": {},
    "notes": [],
}


def asked(quick: bool, *only: str, json: Path | None = None, page: Path | None = None) -> Asked:
    return Asked(only, quick, None, 1, False, json, page)


def test_the_list_says_of_each_row_what_it_measures() -> None:
    output = CliRunner().invoke(main, ["--list"]).output
    assert [row.name for row in ROWS if f"{row.name}\n" not in output and f"{row.name} (not" not in output] == []
    assert "not in it" in output


def test_a_row_that_is_none_is_misuse() -> None:
    result = CliRunner().invoke(main, ["--only", "speed"])
    assert result.exit_code == 2
    assert "'speed' is not one of" in result.output


def test_a_quick_run_has_fewer_rows_and_who_asks_for_one_gets_it() -> None:
    assert [row for row in asked(True).rows if not row.quick] == []
    assert asked(False).rows == list(ROWS)
    assert [row.name for row in asked(True, "sse").rows] == ["sse"]


def test_what_was_measured_is_kept_as_json_and_in_the_page(tmp_path: Path) -> None:
    values, text = tmp_path / "bench.json", tmp_path / "page.md"
    text.write_text(f"{page.BEGIN}\n{page.END}\n")
    keep(asked(True, json=values, page=text), MACHINE, [RESULT])
    document = json.loads(values.read_text())
    assert document["results"] == [RESULT.document()]
    assert document["machine"]["cpu"] == "a processor"
    assert "`make bench-quick` on 2025-01-31: a processor" in text.read_text()
