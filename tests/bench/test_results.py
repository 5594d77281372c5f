"""What becomes of measurements: ratios, JSON, tables, and the block of a page."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench import page
from bench.report import markdown, printed
from bench.result import Result
from bench.stats import Spread

RESULT = Result(
    "worker CPU", "µs", "un", {"evermoon": [30.0, 40.0, 90.0], "un": [10.0, 20.0, 30.0]}, {"evermoon": 0.9}, "a remark"
)
MACHINE: dict[str, Any] = {
    "date": "2025-01-31T06:00:00+00:00",
    "machine": {"cpu": "a processor", "cores": 2, "system": "Linux", "load": [0.1, 0.2, 0.3]},
    "versions": {"python": "3.11"},
    "notes": ["trim: not measured"],
}


def test_a_contestant_is_compared_with_the_base_of_the_same_round() -> None:
    assert RESULT.ratio("evermoon") == Spread(median=3.0, low=2.5, high=3.0)
    assert RESULT.ratio("un") is None


def test_json_has_every_value_besides_what_was_made_of_them() -> None:
    document = RESULT.document()
    ours = document["contestants"]["evermoon"]
    assert (ours["values"], ours["median"], ours["ratio"]["median"]) == ([30.0, 40.0, 90.0], 40.0, 3.0)
    assert document["contestants"]["un"]["ratio"] is None


def test_a_target_is_a_ratio_or_an_amount() -> None:
    idle = Result("idle", "KiB", "lupa", {"evermoon": [300.0], "lupa": [30.0]}, {"evermoon": 100}, absolute=True)
    assert (RESULT.target("evermoon"), idle.target("evermoon"), idle.target("lupa")) == ("≤ 0.9", "≤ 100 KiB", "")


def test_tables_say_who_was_measured_against_whom() -> None:
    written = StringIO()
    printed(Console(width=170, file=written), [RESULT])
    text = written.getvalue()
    assert [word in text for word in ("evermoon", "40.0 µs", "3.00", "2.50–3.00", "≤ 0.9", "a remark")] == [True] * 6


def test_a_page_has_its_block_replaced_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(f"before\n\n{page.BEGIN}\nold\n{page.END}\n\nafter\n")
    page.refresh(file, markdown(MACHINE, [RESULT], "make bench"))
    text = file.read_text()
    assert text.startswith(f"before\n\n{page.BEGIN}\n")
    assert text.endswith(f"{page.END}\n\nafter\n")
    assert "old" not in text
    assert "| worker CPU | evermoon | 40.0 µs | 35.0–65.0 | un | 3.00 | 2.50–3.00 | ≤ 0.9 |" in text
    assert ["- worker CPU: a remark" in text, "- trim: not measured" in text, "a processor" in text] == [True] * 3


def test_a_second_refresh_with_the_same_results_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(f"{page.BEGIN}\n{page.END}\n")
    page.refresh(file, "results\n")
    once = file.read_text()
    page.refresh(file, "results\n")
    assert file.read_text() == once


def test_a_page_without_a_block_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(f"{page.END} {page.BEGIN}")
    with pytest.raises(ValueError, match="has no block"):
        page.refresh(file, "results")
    assert file.read_text() == f"{page.END} {page.BEGIN}"


def test_the_page_of_the_documentation_has_a_block() -> None:
    text = (Path(page.__file__).parent.parent / "docs" / "performance.md").read_text(encoding="utf-8")
    assert text.index(page.BEGIN) < text.index(page.END)
