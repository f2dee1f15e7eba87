"""The figures of a classifier. With NumPy alone: training and evaluating must not wait for larger imports."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
BINS = 10
_CELLS = 1 << 22


def confusion_matrix(labels: NDArray[np.int64], predictions: NDArray[np.int64], outputs: int) -> NDArray[np.int64]:
    """Count the examples of each class (row) that were predicted as each class (column)."""
    return np.bincount(labels * outputs + predictions, minlength=outputs**2).reshape(outputs, outputs)


def wilson_interval(correct: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the 95% interval of a share (Wilson 1927, JASA 22:209).

    >>> [round(end, 3) for end in wilson_interval(9, 10)]
    [0.596, 0.982]
    """
    share = correct / total
    centre = share + z**2 / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    scale = 1 + z**2 / total
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def class_figures(matrix: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return precision, recall and F1 of each class ``[..., outputs]``; 0 where there is nothing to divide by."""
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    precision = _share(hits, matrix.sum(axis=-2))
    recall = _share(hits, matrix.sum(axis=-1))
    return precision, recall, _share(2 * precision * recall, precision + recall)


def calibration_error(confidence: NDArray[Any], correct: NDArray[np.bool_], bins: int = BINS) -> float:
    """Return the expected calibration error: the mean gap of confidence and accuracy (arXiv:1706.04599)."""
    places = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(places, weights=confidence - correct, minlength=bins)
    return float(np.abs(gaps).sum() / len(correct))


def classification_metrics(
    labels: NDArray[np.int64], probabilities: NDArray[Any], classes: tuple[str, ...], seed: int = 0
) -> dict[str, Any]:
    """Return the figures of a classifier on some examples, as they stand in metrics.json.

    Args:
        labels: int64 ``[n]``, at least one.
        probabilities: ``[n, classes]``.
        classes: their names.
        seed: of the resampling that gives the intervals of balanced accuracy and macro F1.

    Returns:
        ``examples``, ``accuracy``, ``balanced_accuracy``, ``macro_f1`` with their 95% intervals, ``log_loss``,
        ``calibration_error``, ``largest_class`` (what always guessing the most frequent class would get),
        ``per_class`` and ``confusion_matrix``. Averages are over the classes that have examples.
    """
    outputs = len(classes)
    predictions = probabilities.argmax(axis=1).astype(np.int64)
    correct = predictions == labels
    matrix = confusion_matrix(labels, predictions, outputs)
    present = matrix.sum(axis=1) > 0
    precision, recall, f1 = class_figures(matrix)
    truth = np.clip(probabilities[np.arange(len(labels)), labels].astype(np.float64), 1e-12, None)
    low, high = _resampled(matrix, present, seed)
    return {
        "examples": len(labels),
        "accuracy": float(correct.mean()),
        "accuracy_interval": list(wilson_interval(int(correct.sum()), len(labels))),
        "balanced_accuracy": float(recall[present].mean()),
        "balanced_accuracy_interval": [low[0], high[0]],
        "macro_f1": float(f1[present].mean()),
        "macro_f1_interval": [low[1], high[1]],
        "log_loss": float(-np.log(truth).mean()),
        "calibration_error": calibration_error(probabilities.max(axis=1), correct),
        "largest_class": float(matrix.sum(axis=1).max() / len(labels)),
        "per_class": {
            name: {
                "precision": float(precision[number]),
                "recall": float(recall[number]),
                "f1": float(f1[number]),
                "examples": int(matrix[number].sum()),
            }
            for number, name in enumerate(classes)
        },
        "confusion_matrix": matrix.tolist(),
    }


def _resampled(matrix: NDArray[np.int64], present: NDArray[np.bool_], seed: int) -> tuple[list[float], list[float]]:
    """The 95% intervals of balanced accuracy and macro F1.

    What each class is answered as is drawn from its posterior under a Dirichlet prior, one half on the right answer and
    one half on all others together, so that its recall has Jeffreys' prior: a class whose few examples are all answered
    rightly keeps its doubt, which drawing the examples anew would not. The draws are moved to the measured figure,
    because with many classes of few examples the prior pulls all of them down.
    """
    generator = np.random.default_rng(seed)
    outputs, rows = len(matrix), np.flatnonzero(present)
    block = max(1, _CELLS // outputs**2)  # bounds the memory, which else grows with the square of the classes
    prior = np.full((outputs, outputs), 0.5 / max(1, outputs - 1))
    np.fill_diagonal(prior, 0.5)
    figures = []
    for start in range(0, RESAMPLES, block):
        samples = np.zeros((min(block, RESAMPLES - start), outputs, outputs))
        for row in rows:
            shares = generator.dirichlet(matrix[row] + prior[row], len(samples))
            samples[:, row] = shares * matrix[row].sum()
        _, recall, f1 = class_figures(samples)
        figures.append(np.stack([recall[:, present].mean(axis=1), f1[:, present].mean(axis=1)]))
    draws = np.concatenate(figures, axis=1)
    _, recall, f1 = class_figures(matrix)
    measured = np.array([recall[present].mean(), f1[present].mean()])
    low, high = np.clip(np.percentile(draws, [2.5, 97.5], axis=1) + measured - draws.mean(axis=1), 0, 1)
    return [float(end) for end in low], [float(end) for end in high]


def _share(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[Any]:
    result: NDArray[Any] = np.zeros(np.broadcast_shapes(part.shape, whole.shape))
    np.divide(part, whole, out=result, where=whole > 0)
    return result


def warnings_of(metrics: Mapping[str, Any]) -> list[str]:
    """Return what is to be said of the figures of a model, as metrics.json has them, that are not good enough."""
    found, accuracy = [], metrics["test"]["accuracy"]
    if accuracy <= metrics["test"]["largest_class"]:
        found.append("This is no better than always answering the largest class: more or better examples are needed.")
    if "random_weights" in metrics and accuracy <= metrics["random_weights"]["accuracy"]:
        found.append("Transfer bought nothing here: the same network with random weights does as well.")
    return found
