"""Reads sounds and prepares them as in training. Needs numpy, soundfile and soxr."""

import numpy as np

from tlplug_audio import waveform
from tlplug_audio.audio import checked, cut


def read(source, about):
    """Return the waveform, float32 [samples], mono, 16 kHz in [-1, 1], of a file, its bytes, or a float array.

    An array is [samples] or [samples, channels], 16 kHz.
    """
    return waveform.read(source, about["preprocess"]["options"]["max_seconds"]).samples


def prepare(raw, about):
    """Return {"waveform": float32 [windows, samples]}, the last one filled up with silence."""
    options = about["preprocess"]["options"]
    return {"waveform": np.stack(cut(raw, *checked(options["input_shape"], options["hop"])))}
