"""Random changes of series, float32 ``[time, channels]``, that leave their class as it is.

NaN, where there is no step, stays where it is and counts for nothing. All chance comes from the generator; the same one
makes the same series.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]

KNOTS = 4
"""Of the curve that a channel is multiplied by."""


def crop(arrays: Arrays, generator: np.random.Generator, amount: float) -> dict[str, np.ndarray]:
    """Stretch a part of the series to the length of the whole, by linear interpolation.

    Args:
        arrays: with ``series``, float32 ``[time, channels]``.
        generator: of all chance.
        amount: the largest share of the steps that is cut away, from 0 to 1.

    Source: the window slicing of Le Guennec, Malinowski, Tavenard 2016, Data augmentation for time series
    classification using convolutional neural networks, whose parts are 0.9 of a series.

    >>> import numpy as np
    >>> crop({"series": np.float32([[0], [1], [2], [3]])}, np.random.default_rng(0), 0.0)["series"].ravel().tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    import numpy as np

    series = arrays["series"]
    share = 1 - amount * generator.random()
    start = (1 - share) * generator.random()
    steps = np.flatnonzero(~np.isnan(series).all(axis=1))
    if steps.size < 2:
        return dict(arrays)
    first, last = int(steps[0]), int(steps[-1])
    places = first + (last - first) * np.linspace(start, start + share, last - first + 1)
    stretched = series.astype(np.float64)
    for values in stretched.T:
        values[first : last + 1] = np.interp(places, np.arange(len(values)), values)
    return {**arrays, "series": _single(stretched)}


def scale(arrays: Arrays, generator: np.random.Generator, amount: float) -> dict[str, np.ndarray]:
    """Multiply each channel's distance from its mean by a curve about 1, which is another for each.

    The curve runs straight between four random values at equal distances. A single factor would change nothing in
    networks that normalise a series, as those of this plugin do.

    Args:
        arrays: with ``series``, float32 ``[time, channels]``.
        generator: of all chance.
        amount: the deviation of the curve's values from 1.

    Source: the magnitude warping of Um et al. 2017, arXiv:1706.00527.
    """
    import numpy as np

    series = arrays["series"]
    mean, _ = _moments(series)
    knots = generator.normal(1, amount, (series.shape[1], KNOTS))
    places = np.linspace(0, KNOTS - 1, len(series))
    curves = np.stack([np.interp(places, np.arange(KNOTS), values) for values in knots], axis=1)
    return {**arrays, "series": _single(mean + (series - mean) * curves)}


def jitter(arrays: Arrays, generator: np.random.Generator, amount: float) -> dict[str, np.ndarray]:
    """Add noise to every value.

    Args:
        arrays: with ``series``, float32 ``[time, channels]``.
        generator: of all chance.
        amount: the noise's deviation, as a share of the deviation of the channel.

    Source: Um et al. 2017, arXiv:1706.00527.
    """
    series = arrays["series"]
    _, deviation = _moments(series)
    return {**arrays, "series": _single(series + generator.normal(size=series.shape) * (amount * deviation))}


def _moments(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the values that each channel has, float64 ``[channels]``; 0 for one without any."""
    import numpy as np

    there = ~np.isnan(series)
    count = np.maximum(there.sum(axis=0), 1)
    values = series.astype(np.float64)
    mean = np.where(there, values, 0).sum(axis=0) / count
    deviation = np.sqrt(np.square(np.where(there, values - mean, 0)).sum(axis=0) / count)
    return mean, deviation


def _single(series: np.ndarray) -> np.ndarray:
    """In single precision, whose largest number is the limit."""
    import numpy as np

    largest = np.finfo(np.float32).max
    return series.clip(-largest, largest).astype(np.float32)
