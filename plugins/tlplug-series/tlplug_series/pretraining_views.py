"""Views of series that contrastive learning tells to be the same: cropped, warped, swelling, drifting, noisy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CROP = 0.25
"""What a view leaves out at each end at most, as a part of the series."""


def view(series: NDArray[np.float32], chance: np.random.Generator) -> NDArray[np.float32]:
    """Return another view of each series, float32 ``[n, length]``."""
    count, length = series.shape
    places = _places(count, length, chance)
    below = np.minimum(places.astype(int), length - 2)
    share, rows = places - below, np.arange(count)[:, None]
    warped = series[rows, below] * (1 - share) + series[rows, below + 1] * share
    swelling = _curves(chance.uniform(0.7, 1.3, (count, 4)), length)
    drift = np.cumsum(chance.normal(size=(count, length)), axis=1) * 0.02 * chance.random((count, 1))
    noise = chance.normal(size=(count, length)) * 0.15 * chance.random((count, 1))
    return (warped * swelling + drift + noise).astype(np.float32)


def _places(count: int, length: int, chance: np.random.Generator) -> NDArray[np.float64]:
    """Where each step of a view is taken from: rising places in ``[0, length - 1]`` at a speed that changes."""
    passed = np.cumsum(_curves(chance.uniform(0.5, 1.5, (count, 5)), length), axis=1)
    passed = (passed - passed[:, :1]) / (passed[:, -1:] - passed[:, :1])
    start, end = chance.uniform(0, CROP, (count, 1)), chance.uniform(1 - CROP, 1, (count, 1))
    return (start + (end - start) * passed) * (length - 1)


def _curves(knots: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Lines through knots at equal distances, ``[n, knots]`` to ``[n, length]``."""
    places = np.linspace(0, knots.shape[1] - 1, length)
    below = np.minimum(places.astype(int), knots.shape[1] - 2)
    share = places - below
    return knots[:, below] * (1 - share) + knots[:, below + 1] * share
