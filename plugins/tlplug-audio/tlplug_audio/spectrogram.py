"""The matrices of the log-mel spectrogram that YAMNet was trained on: a windowed Fourier transform, and mel bands.

Source: Hershey et al.: CNN architectures for large-scale audio classification, 2017, arXiv:1609.09430; the parameters
are those of TensorFlow's model garden, research/audioset/yamnet.
"""

from __future__ import annotations

from typing import Any

import numpy as np

RATE = 16_000
"""Samples a second."""

FRAME = 400
"""Samples of one frame, 25 ms."""

STEP = 160
"""Samples from one frame to the next, 10 ms."""

FFT = 512
BANDS = 64
LOWEST, HIGHEST = 125.0, 7500.0
"""Hertz: the edges of the mel bands."""

OFFSET = 0.001
"""What is added before the logarithm."""


def fourier_matrices() -> tuple[np.ndarray, np.ndarray]:
    """Return the cosine and sine matrices of a windowed Fourier transform, float64 ``[FRAME, bins]``.

    The window is a periodic Hann. The bins are those of a transform of `FFT` points that lie in a mel band.
    """
    samples = np.arange(FRAME)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * samples / FRAME)
    angles = 2 * np.pi * np.outer(samples, np.arange(FFT // 2 + 1)[_used_bins()]) / FFT
    return window[:, None] * np.cos(angles), window[:, None] * np.sin(angles)


def mel_matrix() -> np.ndarray:
    """Return what each bin gives to each band, float64 ``[bins, BANDS]``: triangles on the mel scale of HTK.

    The bins are those of `fourier_matrices`.
    """
    return _mel_weights()[_used_bins()]


def _mel_weights() -> np.ndarray:
    def mel(hertz: Any) -> Any:
        return 1127.0 * np.log1p(hertz / 700.0)

    bins = mel(np.arange(FFT // 2 + 1) * (RATE / FFT))[:, None]
    edges = np.linspace(mel(LOWEST), mel(HIGHEST), BANDS + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - lower) / (centre - lower), (upper - bins) / (upper - centre)
    return np.maximum(0.0, np.minimum(rising, falling))


def _used_bins() -> np.ndarray:
    return _mel_weights().any(axis=1)
