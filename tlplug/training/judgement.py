"""How held-out examples are answered, and whether one way of answering is better than another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROUNDING = 1e-6
"""By which mean log losses differ where nothing does."""


@dataclass(frozen=True, eq=False)
class Judgement:
    """How held-out examples are answered: accuracy, negative mean log loss, and which of them rightly."""

    accuracy: float
    fit: float
    right: NDArray[np.bool_]

    @classmethod
    def of(cls, probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> Judgement:
        """Judge probabilities float32 ``[n, classes]`` by the labels int64 ``[n]``; what is no number is wrong."""
        right = np.asarray((probabilities.argmax(axis=1) == labels) & np.isfinite(probabilities).all(axis=1))
        truth = probabilities[np.arange(len(labels)), labels]
        return cls(float(right.mean()), float(np.mean(np.log(np.fmax(truth, 1e-12)))), right)

    def is_better(self, other: Judgement) -> bool:
        """Whether more are answered rightly, or as many and those more surely, by more than rounding."""
        return self.accuracy > other.accuracy or (self.accuracy == other.accuracy and self.fit > other.fit + ROUNDING)


def confidence(before: NDArray[np.bool_], after: NDArray[np.bool_], seed: int, draws: int = 2000) -> float:
    """Return the share of bootstrap samples of examples of which more are answered rightly after than before.

    Args:
        before, after: which examples are, bool ``[n]``, the same in both.
        seed: of the samples.
        draws: number of them; equal ones count half.

    Source: Efron, Tibshirani: An Introduction to the Bootstrap, 1993.

    >>> confidence(np.zeros(9, bool), np.ones(9, bool), seed=0)
    1.0
    """
    shares = np.array([np.mean(after & ~before), np.mean(before & ~after), np.mean(before == after)])
    gained, lost, _ = np.random.default_rng(seed).multinomial(len(after), shares, draws).T  # a sample is these counts
    return float(np.mean(gained > lost) + np.mean(gained == lost) / 2)
