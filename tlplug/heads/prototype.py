"""The prototype head: nearest class mean by cosine (Snell, Swersky, Zemel 2017, arXiv:1703.05175)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.heads.softmax import each_by, softmax
from tlplug.specs import HeadFit

Matrix = NDArray[Any]

TEMPERATURES = tuple(float(2.0**power) for power in range(8))
"""What cosines may be multiplied by before the softmax; the one with the lowest leave-one-out log loss is taken."""


def fit(
    features: Matrix,
    labels: NDArray[np.int64],
    *,
    outputs: int,
    folds: NDArray[np.int64],  # noqa: ARG001 - leaving one out needs none
    sample_weight: NDArray[np.float64],  # noqa: ARG001 - every class has one mean, so classes weigh the same anyway
    seed: int,  # noqa: ARG001 - nothing is random
) -> HeadFit:
    """Fit the head.

    Args:
        features: float32 ``[n, size]``.
        labels: int64 ``[n]``.
        outputs: number of classes.
        folds, sample_weight, seed: unused.

    Returns:
        Arrays ``centre`` float32 ``[size]``, ``prototypes`` float32 ``[size, outputs]`` of length one, and
        ``temperature``; leave-one-out accuracy and log loss.
    """
    centre = features.mean(axis=0, dtype=np.float64)
    directions = _directions(features - centre)
    sums = np.zeros((outputs, features.shape[1]))
    np.add.at(sums, labels, directions)
    prototypes = _directions(sums)
    scores = directions @ prototypes.T
    rows = np.arange(len(labels))
    without = sums[labels] - directions
    alone = np.linalg.norm(without, axis=1) < 1e-9
    scores[rows, labels] = np.where(alone, scores[rows, labels], np.sum(_directions(without) * directions, axis=1))
    others = ~alone
    losses = {}
    for temperature in TEMPERATURES:
        truth = softmax(temperature * scores)[rows, labels][others]
        losses[temperature] = float(-np.log(np.maximum(truth, 1e-12)).mean()) if others.any() else 0.0
    best = min(losses, key=lambda temperature: losses[temperature])
    correct = scores[others].argmax(axis=1) == labels[others]
    return HeadFit(
        arrays={
            "centre": centre.astype(np.float32),
            "prototypes": prototypes.T.astype(np.float32),
            "temperature": np.array([best], np.float32),
        },
        cross_validation={"accuracy": float(correct.mean()), "log_loss": losses[best]} if others.any() else {},
        chosen={"temperature": best},
    )


def apply(arrays: Mapping[str, Matrix], features: Matrix) -> NDArray[np.float32]:
    """Return class probabilities, float32 ``[n, outputs]``."""
    directions = _directions(features - arrays["centre"])
    return softmax(arrays["temperature"] * each_by(directions, arrays["prototypes"])).astype(np.float32)


def to_keras(arrays: Mapping[str, Matrix]) -> Any:
    """Return a model that equals `apply`: centring, unit length, one Dense layer, softmax."""
    import keras

    size, outputs = arrays["prototypes"].shape
    centred = keras.layers.Normalization(mean=arrays["centre"], variance=np.ones(size, np.float32))
    dense = keras.layers.Dense(outputs, activation="softmax", use_bias=False)
    model = keras.Sequential([keras.Input((size,)), centred, keras.layers.UnitNormalization(), dense])
    dense.set_weights([arrays["prototypes"] * arrays["temperature"]])
    return model


def _directions(rows: Matrix) -> Matrix:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))
