"""The Fourier transform as products with small matrices. Importing this module imports Keras.

Converters to other formats, ONNX among them, do not know its own operation; products of matrices they all know.

Source: Cooley, Tukey: An algorithm for the machine calculation of complex Fourier series, 1965.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

ROWS, COLUMNS = 32, 64
LENGTH = ROWS * COLUMNS


def transform(values: Any) -> tuple[Any, Any]:
    """Return real and imaginary parts of the Fourier transform of real values, their negative frequencies left out.

    Args:
        values: float32 ``[batch, 2048]``.

    Returns:
        Two tensors, float32 ``[batch, 1025]``.

    >>> real, imaginary = transform(np.ones((1, 2048), np.float32))
    >>> float(real[0, 0])
    2048.0
    """
    first, turns, second = (matrix.astype("float32") for matrix in _matrices())
    columns = ops.transpose(ops.reshape(values, (-1, ROWS, COLUMNS)), (0, 2, 1))
    real, imaginary = ops.split(ops.matmul(columns, first), 2, axis=-1)
    turned = [real * turns[0] - imaginary * turns[1], real * turns[1] + imaginary * turns[0]]
    rows = ops.transpose(ops.concatenate(turned, axis=1), (0, 2, 1))
    found = ops.split(ops.transpose(ops.matmul(rows, second), (0, 2, 1)), 2, axis=1)
    real, imaginary = (ops.reshape(part, (-1, (COLUMNS // 2 + 1) * ROWS))[:, : LENGTH // 2 + 1] for part in found)
    return real, imaginary


def _matrices() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the transform of rows, the turns between, and the transform of columns, real and imaginary side by side.

    They are float64 ``[ROWS, 2 * ROWS]``, ``[2, COLUMNS, ROWS]`` and ``[2 * COLUMNS, COLUMNS + 2]``.
    """
    row, column = np.arange(ROWS), np.arange(COLUMNS)
    first = _roots(np.outer(row, row), ROWS)
    turns = _roots(np.outer(column, row), LENGTH)
    second = _roots(np.outer(column, np.arange(COLUMNS // 2 + 1)), COLUMNS)
    return (
        np.concatenate([first.real, first.imag], axis=1),
        np.stack([turns.real, turns.imag]),
        np.block([[second.real, second.imag], [-second.imag, second.real]]),
    )


def _roots(turns: np.ndarray, whole: int) -> np.ndarray:
    return np.exp(-2j * np.pi * (turns % whole) / whole)
