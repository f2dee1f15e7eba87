"""Series made by formulas and chance, with NumPy alone: what networks learn from where there is no data.

Twelve kinds: walks, sums of sines, autoregressive processes, steps, slopes, smooth curves, chirps, spikes, repeated and
warped motifs, bursts and bumps. Half of the series mix two of them, and most have noise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]


def generate(count: int, length: int, seed: int) -> NDArray[np.float32]:
    """Return series, float32 ``[count, length]``, each with mean 0 and deviation 1; the same for the same arguments.

    >>> generate(2, 64, seed=0).shape
    (2, 64)
    """
    return np.stack([draw(np.random.default_rng((seed, number)), length) for number in range(count)])


def draw(generator: np.random.Generator, length: int) -> NDArray[np.float32]:
    """Return one series, float32 ``[length]``, with mean 0 and deviation 1."""
    series = _standardised(_kind(generator)(generator, length))
    if generator.random() < 0.5:
        other = _standardised(_kind(generator)(generator, length))
        series = series + generator.uniform(0.2, 1) * other
    if generator.random() < 0.8:
        series = _standardised(series) + 10 ** generator.uniform(-3, -0.5) * generator.normal(size=length)
    return _standardised(series).astype(np.float32)


def _kind(generator: np.random.Generator) -> Callable[[np.random.Generator, int], Series]:
    return KINDS[generator.integers(len(KINDS))]


def _standardised(series: Series) -> Series:
    deviation = series.std()
    return (series - series.mean()) / (deviation if deviation > 1e-9 else 1.0)


def _walk(generator: np.random.Generator, length: int) -> Series:
    steps = generator.normal(size=length)
    if generator.random() < 0.3:  # rare steps
        steps = steps * (generator.random(length) < generator.uniform(0.02, 0.3))
    return np.cumsum(steps)


def _sines(generator: np.random.Generator, length: int) -> Series:
    time = np.linspace(0, 1, length)
    series = generator.normal() * time * (generator.random() < 0.5)
    for _ in range(generator.integers(1, 6)):
        frequency = np.exp(generator.uniform(np.log(0.5), np.log(length / 8)))
        series = series + generator.exponential() * np.sin(2 * np.pi * (frequency * time + generator.random()))
    return series


def _autoregressive(generator: np.random.Generator, length: int) -> Series:
    """Of first or second order, with a root anywhere inside the unit circle; its first steps are left out."""
    radius, angle = generator.uniform(0.3, 0.99), generator.uniform(0, np.pi)
    first, second = (2 * radius * np.cos(angle), -(radius**2)) if generator.random() < 0.5 else (radius, 0.0)
    warm = 64
    noise = generator.normal(size=length + warm)
    series = np.zeros(length + warm)
    for step in range(2, length + warm):
        series[step] = first * series[step - 1] + second * series[step - 2] + noise[step]
    return series[warm:]


def _knots(generator: np.random.Generator, length: int, most: int) -> tuple[Series, Series]:
    """Some places in a series, both ends among them, and a value for each."""
    inner = np.sort(generator.uniform(0, length - 1, generator.integers(1, most)))
    places = np.concatenate([[0.0], inner, [length - 1.0]])
    return places, generator.normal(size=len(places))


def _steps(generator: np.random.Generator, length: int) -> Series:
    places, values = _knots(generator, length, 12)
    return values[np.searchsorted(places, np.arange(length), side="right") - 1]


def _slopes(generator: np.random.Generator, length: int) -> Series:
    return np.interp(np.arange(length), *_knots(generator, length, 12))


def _smooth(generator: np.random.Generator, length: int) -> Series:
    """Noise smoothed by a bell of any width."""
    width = np.exp(generator.uniform(np.log(1), np.log(length / 6)))
    reach = np.arange(-int(3 * width), int(3 * width) + 1)
    bell = np.exp(-0.5 * (reach / width) ** 2)
    return np.convolve(generator.normal(size=length + len(reach) - 1), bell, mode="valid")


def _chirp(generator: np.random.Generator, length: int) -> Series:
    slow, fast = np.exp(generator.uniform(np.log(0.5), np.log(length / 8), 2))
    frequency = np.linspace(slow, fast, length)
    return np.sin(2 * np.pi * (np.cumsum(frequency) / length + generator.random()))


def _spikes(generator: np.random.Generator, length: int) -> Series:
    """A few pulses that rise at once and fade."""
    series = np.zeros(length)
    for place in generator.integers(0, length, generator.integers(1, 12)):
        fading = np.exp(-np.arange(length - place) / np.exp(generator.uniform(0, np.log(length / 8))))
        series[place:] += generator.normal() * fading
    return series


def _motifs(generator: np.random.Generator, length: int) -> Series:
    """One shape again and again: strictly periodic, like a heartbeat, or with pauses."""
    size = int(np.exp(generator.uniform(np.log(8), np.log(max(length / 2, 9)))))
    motif = _smooth(generator, size) if generator.random() < 0.5 else _slopes(generator, size)
    motif = _standardised(motif) * np.hanning(size)
    pause = int(generator.uniform(0, size)) if generator.random() < 0.5 else 0
    period = np.concatenate([motif, np.zeros(pause)])
    shift = int(generator.integers(len(period)))
    return np.tile(period, length // len(period) + 2)[shift : shift + length]


def _warped(generator: np.random.Generator, length: int) -> Series:
    """A periodic shape whose speed changes smoothly."""
    size = 64
    shape = _standardised(_slopes(generator, size) if generator.random() < 0.5 else _smooth(generator, size))
    speed = np.exp(0.5 * _standardised(_smooth(generator, length)))
    cycles = np.exp(generator.uniform(0, np.log(length / 10)))
    phase = np.cumsum(speed) / speed.sum() * cycles * size + generator.uniform(0, size)
    return np.interp(phase % size, np.arange(size + 1), np.append(shape, shape[0]))


def _bursts(generator: np.random.Generator, length: int) -> Series:
    """Noise or a tone whose loudness changes."""
    loudness = np.exp(1.5 * _standardised(_smooth(generator, length)))
    tone = _sines(generator, length) if generator.random() < 0.5 else generator.normal(size=length)
    return loudness * tone


def _bumps(generator: np.random.Generator, length: int) -> Series:
    """Plateaus with flanks of any steepness, as a movement or a daily load makes them."""
    time = np.arange(length)
    series = np.zeros(length)
    for _ in range(generator.integers(1, 4)):
        start, end = np.sort(generator.uniform(0, length, 2))
        rise, fall = np.exp(generator.uniform(np.log(0.5), np.log(length / 10), 2))
        edges = np.clip((time - start) / rise, -30, 30), np.clip((end - time) / fall, -30, 30)
        series += generator.normal() / ((1 + np.exp(-edges[0])) * (1 + np.exp(-edges[1])))
    return series


KINDS: tuple[Callable[[np.random.Generator, int], Series], ...] = (
    _walk,
    _sines,
    _autoregressive,
    _steps,
    _slopes,
    _smooth,
    _chirp,
    _spikes,
    _motifs,
    _warped,
    _bursts,
    _bumps,
)
