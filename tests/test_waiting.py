"""Waiting in tests: what is given back, and what a wait that hangs says."""

from __future__ import annotations

import pytest

from tests import waiting
from tests.waiting import eventually, wait_until


async def test_what_was_found_is_given_back_once_it_holds() -> None:
    counts = iter(range(10))

    async def look() -> int:
        return next(counts)

    assert await eventually(look, lambda count: count == 3, every=0) == 3
    assert await eventually(lambda: next(counts), every=0) == 4
    assert wait_until(lambda: next(counts), lambda count: count > 5, every=0) == 6


async def test_a_wait_that_hangs_says_what_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LIMIT", -1.0)
    with pytest.raises(AssertionError, match=r"never came true: .*len\(\[1\]\) == 2.*; seen last: False"):
        await eventually(lambda: len([1]) == 2)
    with pytest.raises(AssertionError, match=r"never came true: .*number > 5.*; seen last: 1"):
        wait_until(lambda: 1, lambda number: number > 5)
