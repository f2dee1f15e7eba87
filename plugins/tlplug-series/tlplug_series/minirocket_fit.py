"""Fit MiniRocket's biases to generated series: ``python -m tlplug_series.minirocket_fit FILE`` writes the weights."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tlplug_series.generated_series import generate
from tlplug_series.minirocket import LENGTH, build
from tlplug_series.minirocket_kernels import FEATURES, PADDED, TAPS, dilations, kernels
from tlplug_series.minirocket_layers import SMALLEST_SCALE

SERIES = 200
"""For the biases; others, five times as many, for the deviations."""


def biases(series: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return quantiles of the convolved series, float32 ``[9996]``, for series ``[count, length]``.

    The quantiles follow the golden ratio, as in the paper; there they are of one series of the training set each, here
    of all.
    """
    length = series.shape[1]
    levels = np.arange(1, FEATURES + 1) * ((np.sqrt(5) + 1) / 2) % 1
    fitted, start = [], 0
    for place, (dilation, count) in enumerate(dilations(length)):
        edge = (TAPS - 1) // 2 * dilation
        padded = np.pad(series, ((0, 0), (edge, edge)))
        taps = np.stack([padded[:, tap * dilation : tap * dilation + length] for tap in range(TAPS)], axis=-1)
        convolved = taps @ kernels(place)
        convolved /= np.sqrt(np.mean(np.square(convolved), axis=(1, 2), keepdims=True) + SMALLEST_SCALE**2)
        for steps in (convolved[:, :, :PADDED], convolved[:, edge:-edge, PADDED:]):
            values = np.empty((count, PADDED), np.float32)
            for kernel in range(PADDED):
                values[:, kernel] = np.quantile(steps[:, :, kernel], levels[start : start + count])
                start += count
            fitted.append(values.ravel())
    return np.concatenate(fitted)


def deviations(features: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Return the root mean variance of each group of features, float32 ``[dilations, 2]``."""
    groups, start = [], 0
    variances = features.var(axis=0, dtype=np.float64)
    for _, count in dilations(length):
        for _ in range(2):
            groups.append(variances[start : start + count * PADDED].mean())
            start += count * PADDED
    return np.sqrt(groups).reshape(-1, 2).astype(np.float32)


def fit(count: int = SERIES) -> dict[str, NDArray[np.float32]]:
    """Return the weights of `minirocket` by name; `count` series are generated for the biases."""
    model = build(None)
    layer = model.get_layer("proportions")
    fitted = biases(generate(count, LENGTH, seed=0))
    layer.set_weights([fitted, np.ones(layer.deviations.shape, np.float32)])
    features = model.predict(generate(5 * count, LENGTH, seed=1)[..., None], batch_size=8, verbose=0)
    return {"biases": fitted, "deviations": deviations(features, LENGTH)}


def main(path: Path) -> None:
    from safetensors.numpy import save_file

    save_file(fit(), path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
