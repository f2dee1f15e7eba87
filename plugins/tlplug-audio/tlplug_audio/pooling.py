"""One embedding out of those of the windows of a recording."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

POOLS = ("mean", "max", "mean_deviation")
POOL = "mean"
"""Unless stated otherwise; what each of them measured is in the README."""


def pool(embeddings: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """Pool the windows of one recording.

    Args:
        embeddings: float32 ``[windows, size]``.
        options: ``pool`` is ``mean``, ``max``, or ``mean_deviation``, which is twice as long.

    Returns:
        float32 ``[size]``, or ``[2 * size]``.

    >>> import numpy as np
    >>> pool(np.array([[0.0, 1.0], [2.0, 1.0]], np.float32), {"pool": "mean_deviation"}).tolist()
    [1.0, 1.0, 1.0, 0.0]
    """
    import numpy as np

    kind = options.get("pool", POOL)
    values = np.asarray(embeddings, np.float64)
    if kind == "max":
        pooled = values.max(axis=0)
    elif kind == "mean":
        pooled = values.mean(axis=0)
    else:
        pooled = np.concatenate([values.mean(axis=0), values.std(axis=0)])
    return pooled.astype(np.float32)


def pool_graph(embeddings: Any, options: Mapping[str, Any]) -> Any:
    """Pool the windows of one recording, as `pool` does, in `keras.ops`.

    Args:
        embeddings: float32 ``[windows, size]``, a tensor or a Keras tensor.
        options: see `pool`.

    Returns:
        float32 ``[size]``, or ``[2 * size]``.
    """
    from keras import ops

    kind = options.get("pool", POOL)
    if kind == "max":
        return ops.max(embeddings, axis=0)
    mean = ops.mean(embeddings, axis=0)
    if kind == "mean":
        return mean
    deviation = ops.sqrt(ops.mean(ops.square(embeddings - mean), axis=0))
    return ops.concatenate([mean, deviation], axis=0)
