"""The picture of a training: the loss of each epoch, and what share of held-out examples is answered rightly."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tlplug.evaluation.rate_curve import BOTTOM, LEFT, RIGHT, TOP, round_numbers

MOST = 20.0
"""How many times the middle loss the picture shows."""

MOST_LABELS = 12
"""Epochs that are numbered at most."""


@dataclass(frozen=True)
class TrainingCurve:
    """A training, and its picture.

    Attributes:
        title: what was trained.
        losses: of each epoch, at least one; None where it was no number.
        accuracies: on held-out examples after each epoch; empty where none were held out.
        chosen: epoch that was chosen, from 1 on; 0 where none was.
    """

    title: str
    losses: Sequence[float | None]
    accuracies: Sequence[float | None] = ()
    chosen: int = 0

    @property
    def loss_points(self) -> list[tuple[float, float]]:
        """Where the losses stand; those above the picture at its upper edge."""
        return [
            (self.across(epoch), self._down(min(loss, self._top)))
            for epoch, loss in enumerate(self.losses, start=1)
            if loss is not None
        ]

    @property
    def accuracy_points(self) -> list[tuple[float, float]]:
        """Where the accuracies stand, on a scale from 0 to 1."""
        return [
            (self.across(epoch), BOTTOM - (BOTTOM - TOP) * share)
            for epoch, share in enumerate(self.accuracies, start=1)
            if share is not None
        ]

    @property
    def epochs(self) -> Iterator[tuple[float, int]]:
        """Where epochs stand that are numbered, and their numbers."""
        step = math.ceil(len(self.losses) / MOST_LABELS)
        for epoch in range(1 if step == 1 else step, len(self.losses) + 1, step):
            yield self.across(epoch), epoch

    @property
    def heights(self) -> Iterator[tuple[float, str]]:
        """Where round losses stand, and how they are written."""
        for number in round_numbers(self._top):
            yield self._down(number), f"{number:.10g}"

    def across(self, epoch: int) -> float:
        """Return how far from the left an epoch is; the first is at the edge unless it is the only one."""
        last = len(self.losses)
        return LEFT + (RIGHT - LEFT) * ((epoch - 1) / (last - 1) if last > 1 else 0.5)

    def _down(self, loss: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * loss / self._top

    @property
    def _top(self) -> float:
        """The loss at the upper edge: one that rises beyond any scale leaves the others readable."""
        known = [loss for loss in self.losses if loss is not None]
        return min(max(known, default=1.0), MOST * statistics.median(known or [1.0])) or max(known, default=1.0) or 1.0
