"""The picture of a learning-rate range test: the smoothed loss over the rate, and the rate that was taken."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 760, 320
LEFT, RIGHT, TOP, BOTTOM = 58, 742, 52, 272
"""Edges of the plot in the picture, which has the origin at its upper left."""

HIGHEST = 3.0
"""How many times the loss at the start the picture shows; the loss rises beyond any scale."""


def round_numbers(top: float) -> list[float]:
    """Return the round numbers from 0 to `top` that label an axis.

    >>> round_numbers(5.0)
    [0.0, 2.0, 4.0]
    """
    step = 10.0 ** math.floor(math.log10(top / 2))
    step *= next(factor for factor in (5, 2, 1) if top / (factor * step) >= 2)
    return [number * step for number in range(math.floor(top / step) + 1)]


@dataclass(frozen=True)
class RateCurve:
    """A range test, and its picture.

    Attributes:
        start: mean loss before the first step.
        rates: of each step, ascending; at least one.
        losses: smoothed loss at each step.
        rises_at: the highest rate up to which the loss did not rise; None where it did nowhere, or at once.
        found: whether a rate followed from it.
        chosen: the rate that was trained with.
    """

    start: float
    rates: Sequence[float]
    losses: Sequence[float]
    rises_at: float | None
    found: bool
    chosen: float

    @property
    def path(self) -> str:
        """The points of the line, which ends where it leaves the picture at the top."""
        points: list[tuple[float, float]] = []
        for rate, loss in zip(self.rates, self.losses, strict=True):
            point = math.log10(rate), max(loss, 0.0)
            if point[1] > self._top:
                if points:
                    share = (self._top - points[-1][1]) / (point[1] - points[-1][1])
                    points.append((points[-1][0] + share * (point[0] - points[-1][0]), self._top))
                break
            points.append(point)
        return " ".join(f"{self._across(x):.1f},{self.down(y):.1f}" for x, y in points)

    @property
    def decades(self) -> Iterator[tuple[float, str]]:
        """Where the powers of ten stand, and how they are written."""
        for power in range(self._ends[0], self._ends[1] + 1):
            yield self._across(power), f"1e{power:+03d}" if power else "1"

    @property
    def heights(self) -> Iterator[tuple[float, str]]:
        """Where round losses stand, and how they are written."""
        for number in round_numbers(self._top):
            yield self.down(number), f"{number:.10g}"

    def across(self, rate: float) -> float:
        """Return how far from the left a rate is."""
        return self._across(math.log10(rate))

    def down(self, loss: float) -> float:
        """Return how far from the top a loss is."""
        return BOTTOM - (BOTTOM - TOP) * loss / self._top

    def _across(self, power: float) -> float:
        low, high = self._ends
        return LEFT + (RIGHT - LEFT) * (power - low) / (high - low)

    @property
    def _ends(self) -> tuple[int, int]:
        """The powers of ten at the edges."""
        rates = (*self.rates, self.chosen)
        low, high = math.floor(math.log10(min(rates)) + 1e-9), math.ceil(math.log10(max(rates)) - 1e-9)
        return low, max(high, low + 1)

    @property
    def _top(self) -> float:
        """The loss at the upper edge."""
        return max(min(max(self.losses), HIGHEST * self.start), 1.2 * self.start) or 1.0
