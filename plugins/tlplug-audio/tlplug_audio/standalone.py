"""Reads sounds and prepares them as in training. Needs numpy, soundfile and soxr."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import soundfile
import soxr

RATE = 16_000
RATES = 1_000, 768_000  # the lowest and the highest of a file
LOUDEST = 100.0  # more is another unit; full scale is 1
CHANNELS = 64  # of an array
BLOCK, MOST = 1 << 18, 1 << 29  # samples, of all channels: decoded at a time, and of one file
SEARCHED, LARGEST_MP3 = 1 << 20, 1 << 28  # bytes, where something else stands in front of an MP3
SYNC = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]")  # how a frame of MPEG audio, layer III, begins
KILOBITS = (
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # of version 1
)
MP3_RATES = {0b11: (44_100, 48_000, 32_000), 0b10: (22_050, 24_000, 16_000), 0b00: (11_025, 12_000, 8_000)}
FRAMES = 3  # in a row that cannot be chance


class SoundError(ValueError):
    """A source that is no sound, or none that can be read; the message says why in one line."""


def read(source, about):
    """Return the waveform, float32 [samples], mono, 16 kHz in [-1, 1], of a file, its bytes, or a float array.

    An array is [samples] or [samples, channels], 16 kHz.
    """
    seconds = about["preprocess"]["options"]["max_seconds"]
    try:
        if isinstance(source, np.ndarray):
            return _from_array(source, round(seconds * RATE))
        if isinstance(source, (bytes, bytearray, memoryview)):
            return _decoded(io.BytesIO(source), seconds)
        if not isinstance(source, (str, Path)):
            raise SoundError(f"A sound is a path, bytes or a NumPy array. Received: {type(source).__name__}.")
        path = Path(source)
        if not path.is_file():
            raise SoundError("There is no such file." if not path.exists() else "It is not a regular file.")
        with path.open("rb", buffering=0) as file:
            return _decoded(file, seconds)
    except SoundError:
        raise
    except Exception as error:  # libsndfile's decoders say what they like of a damaged file
        reason = " ".join(str(getattr(error, "error_string", error)).split()).rstrip(".") or type(error).__name__
        raise SoundError(f"The sound file is damaged or unsupported: {reason:.200}.") from error


def prepare(raw, about):
    """Return {"waveform": float32 [windows, samples]}, the last one filled up with silence."""
    options = about["preprocess"]["options"]
    (size,), hop = options["input_shape"], round(options["hop"] * RATE)
    if size is None:
        return {"waveform": raw[None]}
    starts = range(0, min(max(len(raw) - size, 0) + hop, len(raw)), hop)
    filled = np.pad(raw, (0, max(0, starts[-1] + size - len(raw))))
    return {"waveform": np.stack([filled[start : start + size] for start in starts])}


def _from_array(array, limit):
    """Return the mean of the channels of an array, as far as the limit."""
    if array.dtype.kind != "f" or array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] > CHANNELS):
        raise SoundError(
            "A sound array is float [samples] or [samples, channels], 16 kHz in [-1, 1] (16-bit samples divided by "
            f"32768). Received: {array.dtype} {list(array.shape)}."
        )
    if not array.size:
        raise SoundError("There are no samples in it.")
    return _mono(array[:limit].reshape(min(limit, len(array)), -1))


def _decoded(file, seconds):
    """Return the waveform in an open file, as far as so many seconds."""
    with _opened(file) as sound:
        if not RATES[0] <= sound.samplerate <= RATES[1]:
            raise SoundError(f"The sample rate is {sound.samplerate:,} Hz. Valid: from {RATES[0]:,} to {RATES[1]:,}.")
        blocks = list(_blocks(sound, min(round(seconds * sound.samplerate), MOST // sound.channels)))
        if blocks and sound.samplerate != RATE:
            stream = soxr.ResampleStream(sound.samplerate, RATE, 1, "float32")
            blocks = [stream.resample_chunk(block) for block in blocks]
            blocks.append(stream.resample_chunk(np.empty(0, np.float32), last=True))
    samples = np.concatenate([*blocks, np.empty(0, np.float32)])
    if not len(samples):
        raise SoundError("There are no samples in it, or too few.")
    return samples


@contextlib.contextmanager
def _opened(file):
    """Open a sound, if need be where the first MP3 frame behind something else begins."""
    start = file.read(16)
    file.seek(0)
    try:
        # By its number: libsndfile would look at the ending of a name, and for other files beside it.
        sound = soundfile.SoundFile(file.fileno() if isinstance(file, io.FileIO) else file, closefd=False)
    except soundfile.LibsndfileError as error:
        file.seek(0)
        place = _find_mp3(file.read(SEARCHED))
        if place is None:
            raise SoundError(
                f"It is no sound file, or a damaged one. It starts with {start!r}. "
                "Valid: WAV, FLAC, Ogg, Opus, MP3, AIFF and what else libsndfile reads."
            ) from error
        file.seek(place)
        sound = soundfile.SoundFile(io.BytesIO(file.read(LARGEST_MP3)))
    with sound:
        yield sound


def _find_mp3(data):
    """Return where the first of some frames in a row starts, None when there are none."""
    for match in SYNC.finditer(data):
        place = match.start()
        for _ in range(FRAMES):
            length = _frame_length(data[place : place + 4])
            if length is None:
                break
            place += length
        else:
            return match.start()
    return None


def _frame_length(header):
    """Return the bytes of a frame with its header of four bytes, None when this is no header."""
    if len(header) < 4 or not SYNC.match(header):
        return None
    version, bits, rate, padding = header[1] >> 3 & 0b11, header[2] >> 4, header[2] >> 2 & 0b11, header[2] >> 1 & 1
    if bits in (0, 15) or rate == 3:
        return None
    first = version == 0b11
    return (144 if first else 72) * 1000 * KILOBITS[first][bits - 1] // MP3_RATES[version][rate] + padding


def _blocks(sound, limit):
    """Yield the mean of all channels, [frames] at a time, until the end, the limit or damage."""
    size = max(1, min(limit, BLOCK // sound.channels))
    while limit > 0:
        wanted = np.full((min(size, limit), sound.channels), np.nan, np.float32)
        try:
            block, damaged = sound.read(out=wanted), False
        except soundfile.LibsndfileError:  # what was decoded before it is used
            missing = np.isnan(wanted).all(axis=1)
            block, damaged = wanted[: missing.argmax() if missing.any() else len(wanted)], True
        if not len(block):
            return
        yield _mono(block)
        limit = 0 if damaged else limit - len(block)


def _mono(block):
    """Return the mean of channels [frames, channels], float32; refuse samples that are no sound."""
    loudest = max(float(block.max()), -float(block.min()))
    if not loudest <= LOUDEST:  # so that NaN is refused, too
        raise SoundError(f"Its samples reach {loudest:,.0f}. Valid: in [-1, 1], 16-bit samples divided by 32768.")
    return block[:, 0].astype(np.float32) if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)
