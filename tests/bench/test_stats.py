"""The bench's arithmetic."""

from __future__ import annotations

import pytest

from bench.stats import Spread, ratios, shuffled


def test_ratios_are_taken_within_a_round() -> None:
    """A round in which the machine was busy made both ten times slower, and is in no ratio."""
    assert ratios([2.0, 20.0, 3.0], [1.0, 10.0, 2.0]) == [2.0, 2.0, 1.5]


def test_rounds_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="2 rounds against 1"):
        ratios([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="nothing can be measured against 0"):
        ratios([1.0], [0.0])


def test_the_spread_is_the_median_and_the_quartiles() -> None:
    assert Spread.of([5.0, 1.0, 3.0, 2.0, 4.0]) == Spread(median=3.0, low=2.0, high=4.0)
    assert Spread.of([1.0, 2.0]) == Spread(median=1.5, low=1.25, high=1.75)


def test_one_value_is_its_own_spread() -> None:
    assert Spread.of([7.0]) == Spread(7.0, 7.0, 7.0)


def test_no_values_have_no_spread() -> None:
    with pytest.raises(ValueError, match="no values"):
        Spread.of([])


def test_an_outlier_moves_neither_the_median_nor_the_quartiles_far() -> None:
    calm, hit = Spread.of([1.0, 1.1, 1.2, 1.3, 1.4]), Spread.of([1.0, 1.1, 1.2, 1.3, 900.0])
    assert calm == hit


def test_every_round_has_every_contestant_once() -> None:
    names = ["a", "b", "c"]
    rounds = list(shuffled(names, 50, seed=1))
    assert len(rounds) == 50
    assert all(sorted(order) == names for order in rounds)


def test_rounds_are_in_different_orders_and_each_is_first_at_times() -> None:
    rounds = list(shuffled(["a", "b", "c"], 50, seed=1))
    assert {order[0] for order in rounds} == {"a", "b", "c"}
    assert len({tuple(order) for order in rounds}) == 6


def test_a_seed_gives_the_same_order_again() -> None:
    names = list("abcdefgh")
    assert list(shuffled(names, 5, seed=9)) == list(shuffled(names, 5, seed=9))
    assert list(shuffled(names, 5, seed=9)) != list(shuffled(names, 5, seed=10))
