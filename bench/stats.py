"""The bench's arithmetic: rounds in a shuffled order, and paired ratios with their median and quartiles."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values and the quartiles around it; all three are the value itself when there is one."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Raises `ValueError` without values."""
        if not values:
            raise ValueError("no values")
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)


def ratios(values: Sequence[float], base: Sequence[float]) -> list[float]:
    """Each value against the base's of the same round: what a round does to both (a busy machine) is in neither ratio.

    Raises `ValueError` when the rounds are not the same, or the base has none.
    """
    if len(values) != len(base):
        raise ValueError(f"{len(values)} rounds against {len(base)}")
    if not all(base):
        raise ValueError("nothing can be measured against 0")
    return [value / other for value, other in zip(values, base, strict=True)]


def shuffled(names: Sequence[str], rounds: int, seed: int) -> Iterator[list[str]]:
    """The names in another order for each round: nobody is always first, or always after the same other one. Equal for equal seeds."""
    chance = random.Random(seed)
    for _ in range(rounds):
        order = list(names)
        chance.shuffle(order)
        yield order
