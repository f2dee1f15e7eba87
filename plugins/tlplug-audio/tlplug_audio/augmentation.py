"""Random changes of sounds, float32 ``[samples]`` in [-1, 1], that leave their class as it is.

All chance comes from the generator; the same one makes the same sound.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tlplug_audio.waveform import RATE

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]

NOISE_RANGE = 20.0
"""Decibels between the loudest and the softest noise."""


def shift(arrays: Arrays, generator: np.random.Generator, amount: float) -> dict[str, np.ndarray]:
    """Move the sound in time; what leaves the window at one end comes back at the other.

    A window is cut out of a recording, so silence in place of what leaves it would be nothing that prediction sees.

    Args:
        arrays: with ``waveform``, float32 ``[samples]``.
        generator: of all chance.
        amount: the furthest, as a share of the window.

    Source: Warden 2018, Speech Commands, arXiv:1804.03209, whose example shifts by up to 0.1 s of 1 s.

    >>> import numpy as np
    >>> shift({"waveform": np.float32([0, 0.25, 0.5, 0.75])}, np.random.default_rng(0), 0.5)["waveform"].tolist()
    [0.75, 0.0, 0.25, 0.5]
    """
    import numpy as np

    waveform = arrays["waveform"]
    return {**arrays, "waveform": np.roll(waveform, round(generator.uniform(-amount, amount) * len(waveform)))}


def gain(arrays: Arrays, generator: np.random.Generator, amount: float) -> dict[str, np.ndarray]:
    """Make the sound louder or softer, but never so loud that it would be clipped.

    Args:
        arrays: with ``waveform``, float32 ``[samples]``.
        generator: of all chance.
        amount: the largest change in decibels.
    """
    import numpy as np

    waveform = arrays["waveform"]
    loudest = max(1.0, 1 / max(float(np.abs(waveform).max()), 1e-6))
    factor = min(_ratio(generator.uniform(-amount, amount)), loudest)
    return {**arrays, "waveform": _limited(waveform * np.float32(factor), waveform)}


def noise(arrays: Arrays, generator: np.random.Generator, amount: float) -> dict[str, np.ndarray]:
    """Add white noise; silence stays silent.

    Args:
        arrays: with ``waveform``, float32 ``[samples]``.
        generator: of all chance.
        amount: the lowest signal-to-noise ratio, as effective values: 0.1 is 20 dB. The highest is 20 dB above it.
    """
    import numpy as np

    waveform = arrays["waveform"]
    ratio = amount * _ratio(-generator.uniform(0, NOISE_RANGE))
    level = np.float32(ratio * np.sqrt(np.mean(np.square(waveform, dtype=np.float64))))
    added = level * generator.standard_normal(len(waveform), np.float32)
    return {**arrays, "waveform": _limited(waveform + added, waveform)}


def mask(arrays: Arrays, generator: np.random.Generator, amount: float) -> dict[str, np.ndarray]:
    """Silence a stretch of time, and a band of the mel scale.

    The networks make their spectrogram themselves, so what SpecAugment does to one is done to the sound.

    Args:
        arrays: with ``waveform``, float32 ``[samples]`` of 16 kHz.
        generator: of all chance.
        amount: how much of the window, and of the mel scale up to 8 kHz, at most.

    Source: Park et al. 2019, SpecAugment, arXiv:1904.08779.
    """
    import numpy as np

    waveform = arrays["waveform"]
    spectrum = np.fft.rfft(waveform)
    mel = np.log1p(np.fft.rfftfreq(len(waveform), 1 / RATE) / 700)
    low, high = (end * np.log1p(RATE / 2 / 700) for end in _stretch(generator, amount))
    spectrum[(low <= mel) & (mel < high)] = 0
    masked = np.fft.irfft(spectrum, len(waveform)).astype(np.float32)
    start, end = (round(end * len(waveform)) for end in _stretch(generator, amount))
    masked[start:end] = 0
    return {**arrays, "waveform": _limited(masked, waveform)}


def _stretch(generator: np.random.Generator, longest: float) -> tuple[float, float]:
    """Start and end of a part of ``[0, 1]``."""
    length = generator.uniform(0, min(longest, 1.0))
    start = generator.uniform(0, 1 - length)
    return start, start + length


def _ratio(decibels: float) -> float:
    return float(10 ** (decibels / 20))


def _limited(waveform: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Clip what is beyond full scale, and beyond what was there before."""
    import numpy as np

    limit = np.abs(before).max(initial=1.0)
    return waveform.clip(-limit, limit)
