"""A small picture of a sound for reports: its mel spectrogram, on librosa."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from tlplug_audio.spectrogram import BANDS, FRAME, HIGHEST, LOWEST, RATE, STEP
from tlplug_audio.waveform import read

if TYPE_CHECKING:
    import numpy as np

WIDTH, HEIGHT = 256, 128
"""In pixels."""

_FFT = 1024
"""Points, twice those of the network's front end: its lowest bands would have no bin of their own."""

_DECIBELS = 70.0
"""From black to the brightest colour."""

_QUIET = 1e-3
"""The power of the loudest band of a sound that is 50 dB below full scale."""

_COLOURS = ((6, 5, 22), (60, 20, 96), (140, 41, 117), (216, 72, 92), (250, 148, 84), (253, 231, 170))
"""From quiet to loud, evenly spaced: dark violet, red, pale yellow."""


def preview(source: Any) -> tuple[str, bytes]:
    """Return the mel spectrogram of a source, its media type and the bytes of a JPEG file of some kilobytes.

    Time goes to the right over the whole recording, frequency upwards from 125 to 7500 Hz.

    Args:
        source: see `tlplug_audio.waveform.read`.

    Raises:
        ValueError: the source cannot be read; one line.
    """
    import numpy as np
    from PIL import Image

    levels = _levels(read(source).samples)
    grey = Image.fromarray(np.rint(levels[::-1] * 255).astype(np.uint8))
    picture = grey.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    stops = np.linspace(0, 255, len(_COLOURS))
    palette = [np.interp(np.arange(256), stops, channel) for channel in zip(*_COLOURS, strict=True)]
    # The grey values become numbers of colours.
    picture.putpalette(np.rint(np.stack(palette, axis=1)).astype(np.uint8).tobytes())
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=80)
    return "image/jpeg", buffer.getvalue()


def _levels(samples: np.ndarray) -> np.ndarray:
    """Return how loud each band is over time, 0 to 1, float ``[BANDS, frames]``."""
    import librosa
    import numpy as np

    power = librosa.feature.melspectrogram(
        y=np.pad(samples, (0, max(0, _FFT - len(samples)))),
        sr=RATE,
        n_fft=_FFT,
        win_length=FRAME,
        # Of a long recording no more frames than the picture has room for.
        hop_length=max(STEP, len(samples) // WIDTH),
        n_mels=BANDS,
        fmin=LOWEST,
        fmax=HIGHEST,
        htk=True,
    )
    # Next to nothing stays dark, rather than being as bright as what is loud.
    decibels = librosa.power_to_db(power, ref=max(float(power.max()), _QUIET), top_db=None)
    return np.clip(decibels / _DECIBELS + 1, 0, 1)
