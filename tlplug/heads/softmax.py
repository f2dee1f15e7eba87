"""From embeddings to scores, and from scores to probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def each_by(rows: NDArray[Any], matrix: NDArray[Any]) -> NDArray[Any]:
    """Return ``rows @ matrix``, each row multiplied on its own: its result depends on no other row, by no bit."""
    return np.asarray(np.matmul(rows[:, None, :], matrix)[:, 0])


def softmax(scores: NDArray[Any]) -> NDArray[Any]:
    """Return the softmax over the last axis, of the same shape and type."""
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))
