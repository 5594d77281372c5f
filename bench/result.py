"""What a row has measured: for each contestant one value a round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.stats import Spread, ratios


@dataclass(frozen=True, slots=True)
class Result:
    """`values` by contestant, all of the same rounds; ratios are against `base`, one of them.

    `targets` says how much of the base a contestant may take; with `absolute`, how much of the unit. `remark` is what a reader must
    know of this one measurement.
    """

    title: str
    unit: str
    base: str
    values: Mapping[str, Sequence[float]]
    targets: Mapping[str, float] = field(default_factory=dict)
    remark: str = ""
    absolute: bool = False

    def target(self, name: str) -> str:
        """For people; "" where there is none."""
        if name not in self.targets:
            return ""
        return f"≤ {self.targets[name]:g}{' ' + self.unit if self.absolute else ''}"

    def spread(self, name: str) -> Spread:
        return Spread.of(self.values[name])

    def ratio(self, name: str) -> Spread | None:
        """Paired, round by round. None of the base itself."""
        return None if name == self.base else Spread.of(ratios(self.values[name], self.values[self.base]))

    def document(self) -> dict[str, Any]:
        """As JSON has it: every value, so that nobody has to trust a median."""
        return {
            "title": self.title,
            "unit": self.unit,
            "base": self.base,
            "remark": self.remark,
            "contestants": {name: self._of(name) for name in self.values},
        }

    def _of(self, name: str) -> dict[str, Any]:
        spread, ratio = self.spread(name), self.ratio(name)
        return {
            "values": list(self.values[name]),
            "median": spread.median,
            "quartiles": [spread.low, spread.high],
            "ratio": None if ratio is None else {"median": ratio.median, "quartiles": [ratio.low, ratio.high]},
            "target": self.target(name),
        }
