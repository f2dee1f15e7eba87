"""Reads sounds and prepares them as in training. Needs numpy, soundfile and soxr."""

import io
from pathlib import Path

import numpy as np
import soundfile
import soxr

RATE = 16_000
BLOCK, MOST = 1 << 18, 1 << 29  # samples, of all channels: decoded at a time, and of one file


def read(source, about):
    """Return the waveform, float32 [samples], mono, 16 kHz in [-1, 1], of a file, its bytes, or a float array.

    An array is [samples] or [samples, channels], 16 kHz.
    """
    seconds = about["preprocess"]["options"]["max_seconds"]
    if isinstance(source, np.ndarray):
        blocks = [_mono(source[: round(seconds * RATE)].reshape(min(len(source), round(seconds * RATE)), -1))]
    else:
        with soundfile.SoundFile(
            io.BytesIO(source if isinstance(source, bytes) else Path(source).read_bytes())
        ) as sound:
            blocks = list(_blocks(sound, min(round(seconds * sound.samplerate), MOST // sound.channels)))
            if sound.samplerate != RATE:
                stream = soxr.ResampleStream(sound.samplerate, RATE, 1, "float32")
                blocks = [stream.resample_chunk(block) for block in blocks]
                blocks.append(stream.resample_chunk(np.empty(0, np.float32), last=True))
    samples = np.concatenate([*blocks, np.empty(0, np.float32)])
    if not len(samples):
        raise ValueError("There are no samples in it.")
    return samples


def prepare(raw, about):
    """Return {"waveform": float32 [windows, samples]}, the last one filled up with silence."""
    options = about["preprocess"]["options"]
    (size,), hop = options["input_shape"], round(options["hop"] * RATE)
    if size is None:
        return {"waveform": raw[None]}
    starts = range(0, min(max(len(raw) - size, 0) + hop, len(raw)), hop)
    filled = np.pad(raw, (0, max(0, starts[-1] + size - len(raw))))
    return {"waveform": np.stack([filled[start : start + size] for start in starts])}


def _blocks(sound, limit):
    """Yield the mean of all channels, [frames] at a time, until the end, the limit or damage."""
    size = max(1, min(limit, BLOCK // sound.channels))
    while limit > 0:
        wanted = np.full((min(size, limit), sound.channels), np.nan, np.float32)
        try:
            block = sound.read(out=wanted)
        except soundfile.LibsndfileError:  # what was decoded before it is used
            block, limit = wanted[~np.isnan(wanted).all(axis=1)], 0
        if not len(block):
            return
        yield _mono(block)
        limit -= len(block)


def _mono(block):
    """Return the mean of channels [frames, channels], float32."""
    return block[:, 0].astype(np.float32) if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)
