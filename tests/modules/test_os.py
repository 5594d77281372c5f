from __future__ import annotations

from tests.support import run


def test_the_clock_counts_from_the_beginning_of_the_execution() -> None:
    assert run("time.sleep('90s') return {os.clock(), os.time()}", now=0) == [90.0, 90]


def test_fields_count_on_beyond_their_range() -> None:
    assert run("return os.date('%Y-%m-%d', os.time{year = 2024, month = 14, day = 0})") == "2025-01-31"
