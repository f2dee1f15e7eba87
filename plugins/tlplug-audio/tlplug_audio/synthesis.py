"""Sounds made on the spot, of five kinds that are told apart by their timbre: demonstration data without recordings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tlplug_audio.waveform import RATE

if TYPE_CHECKING:
    import numpy as np

CLIPS = 30
"""Of each kind."""


def write(folder: Path) -> str:
    """Write 30 clips each of bells, engines, birds, rain and sirens, ``<folder>/<kind>/<number>.wav``.

    The clips are 1 to 3 s long, 16 kHz, 16 bits; pitch, pace, length and background noise differ from one to the next.
    They are the same each time.

    Args:
        folder: where to; it is created.

    Returns:
        What the data are, for people.
    """
    import numpy as np
    import soundfile

    for kind, (name, sound) in enumerate(KINDS.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(CLIPS):
            generator = np.random.default_rng([kind, number])
            time = np.arange(int(generator.uniform(1, 3) * RATE)) / RATE
            clip = sound(time, generator)
            clip /= np.abs(clip).max()
            clip += generator.normal(0, 10 ** generator.uniform(-3, -1), len(clip))
            clip *= generator.uniform(0.1, 0.9) / np.abs(clip).max()
            soundfile.write(folder / name / f"{number:02d}.wav", clip, RATE, subtype="PCM_16")
    return f"{len(KINDS) * CLIPS} synthesised sounds of {len(KINDS)} kinds ({', '.join(KINDS)})"


def _bell(time: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Strokes of partials that are not harmonic, the high ones dying away first."""
    import numpy as np

    pitch, pace = generator.uniform(250, 900), generator.uniform(0.4, 1.2)
    since = (time + generator.uniform(0, pace)) % pace
    partials = [
        np.sin(2 * np.pi * pitch * ratio * since) * np.exp(-since * (2 + 1.5 * ratio)) / ratio
        for ratio in (1.0, 2.0, 2.4, 3.0, 4.2, 5.4)
    ]
    return np.sum(partials, axis=0)


def _engine(time: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A low buzz of many harmonics that wavers."""
    import numpy as np

    pitch, waver = generator.uniform(30, 90), generator.uniform(2, 8)
    phase = 2 * np.pi * pitch * time + 0.8 * np.sin(2 * np.pi * waver / 4 * time)
    buzz = sum(np.sin(order * phase + generator.uniform(0, 2 * np.pi)) / order for order in range(1, 25))
    return np.asarray(buzz * (1 + 0.3 * np.sin(2 * np.pi * waver * time)))


def _bird(time: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Short high chirps with pauses."""
    import numpy as np

    pitch, pace, span = generator.uniform(2500, 4500), generator.uniform(0.12, 0.3), generator.uniform(300, 1500)
    since = (time + generator.uniform(0, pace)) % pace / pace
    envelope = np.where(since < 0.6, np.sin(np.pi * since / 0.6) ** 2, 0)
    return np.sin(2 * np.pi * np.cumsum(pitch + span * np.sin(2 * np.pi * since)) / RATE) * envelope


def _rain(time: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Steady noise with drops in it."""
    import numpy as np

    noise = generator.normal(0, 0.3, len(time))
    hits = generator.random(len(time)) < generator.uniform(30, 120) / RATE
    drop = np.exp(-np.arange(200) / 30) * np.sin(2 * np.pi * generator.uniform(800, 2500) * np.arange(200) / RATE)
    return noise + np.convolve(hits * generator.uniform(1, 3, len(time)), drop)[: len(time)]


def _siren(time: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A tone with a few harmonics that rises and falls slowly."""
    import numpy as np

    pitch, pace = generator.uniform(500, 900), generator.uniform(0.3, 1.5)
    swing = np.sin(2 * np.pi * pace * time + generator.uniform(0, 2 * np.pi))
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.4 * swing)) / RATE
    return np.asarray(sum(np.sin(order * phase) / order**1.5 for order in range(1, 6)))


KINDS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "bells": _bell,
    "birds": _bird,
    "engines": _engine,
    "rain": _rain,
    "sirens": _siren,
}
"""What each kind is made by: seconds ``[n]`` and a generator to a sound ``[n]``."""
