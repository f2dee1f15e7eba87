"""From a source to a waveform, mono at 16 kHz, with everything that a hostile file could do bounded."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlplug_audio.mp3 import find_start

if TYPE_CHECKING:
    import numpy as np
    import soundfile

RATE = 16_000
"""Samples a second of every waveform."""

MAX_SECONDS = 600.0
"""Of a recording, unless stated otherwise: 38 MB as a waveform."""

RATES = (1_000, 768_000)
"""The lowest and the highest sample rate in hertz that a file may have."""

LOUDEST = 100.0
"""The largest sample that may be a loud recording rather than one in another unit; full scale is 1."""

SILENCE = 2.0**-15
"""The largest sample of silence: one step of 16 bits."""

SILENT = "silent"
SHORTENED = "longer than preprocess.max_seconds, only its beginning is used"
LARGE = "more samples, of all channels, than are decoded of one file, only its beginning is used"
DAMAGED = "cut off or damaged, only what can be decoded before that is used"

_BLOCK = 1 << 18
"""Samples, of all channels, that are decoded at a time. A header may promise any number."""

_MOST = 1 << 29
"""Samples, of all channels, that are decoded of one file: ten minutes of eight channels at 96 kHz. A small file can
hold more."""

_CHANNELS = 64
"""Of an array, at most: one with more has its axes in the other order."""

_SEARCHED = 1 << 20
_LARGEST_MP3 = 1 << 28
"""Bytes of an MP3 file behind rubbish that are read, at most: two hours at the highest bit rate."""

_CUT = re.compile(r"^\s*(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_UNKNOWN_SIZE = 0x7FFF_0000
"""Sizes from here on are what programs write that do not know it yet."""


class SoundError(ValueError):
    """A source that is no sound, or none that can be read; the message says why in one line."""


@dataclass(frozen=True)
class Waveform:
    """What a source holds.

    Attributes:
        samples: float32 ``[n]`` of 16 kHz, mono, nominally in [-1, 1]; at least one.
        remarks: what is remarkable about it.
    """

    samples: np.ndarray
    remarks: tuple[str, ...] = ()


def read(source: Any, max_seconds: float = MAX_SECONDS) -> Waveform:
    """Read a source as a waveform.

    Args:
        source: a path (str or Path), the bytes of a file, or a float array ``[samples]`` or ``[samples, channels]`` of
            16 kHz in [-1, 1].
        max_seconds: what comes after is not decoded, and remarked.

    Raises:
        SoundError: whatever is wrong with the source.

    >>> import numpy as np
    >>> read(np.zeros(16_000, np.float32)).remarks
    ('silent',)
    """
    import numpy as np

    try:
        with contextlib.ExitStack() as stack:
            if isinstance(source, str | Path):
                samples, remarks = _decode(stack.enter_context(_open_file(Path(source))), max_seconds)
            elif isinstance(source, bytes | bytearray | memoryview):
                samples, remarks = _decode(io.BytesIO(source), max_seconds)
            else:
                samples, remarks = _from_array(source, max_seconds)
    except (SoundError, ImportError):
        raise
    except MemoryError as error:
        raise SoundError("The sound needs more memory than there is.") from error
    except OSError as error:
        raise SoundError(f"It cannot be read: {error.strerror or type(error).__name__}.") from error
    except Exception as error:
        # libsndfile, and its decoders, say what they like of a damaged file.
        reason = " ".join(str(getattr(error, "error_string", error)).split()).rstrip(".") or type(error).__name__
        raise SoundError(f"The sound file is damaged or unsupported: {reason:.200}.") from error
    if float(np.abs(samples).max()) <= SILENCE:
        remarks = (*remarks, SILENT)
    return Waveform(samples, remarks)


def _open_file(path: Path) -> io.FileIO:
    # Devices and pipes are files, too, and have no end.
    if not path.is_file():
        raise SoundError("There is no such file." if not path.exists() else "It is not a regular file.")
    return path.open("rb", buffering=0)


@contextlib.contextmanager
def _opened(file: Any) -> Iterator[soundfile.SoundFile]:
    import soundfile

    start = file.read(16)
    file.seek(0)
    if not start:
        raise SoundError("The file is empty.")
    try:
        # By its number: libsndfile would look at the ending of a name, and for other files beside it.
        by_number = isinstance(file, io.FileIO)
        sound = soundfile.SoundFile(file.fileno() if by_number else file, closefd=False)
    except soundfile.LibsndfileError as error:
        file.seek(0)
        place = find_start(file.read(_SEARCHED))
        if place is None:
            if error.code != 1:
                raise
            raise SoundError(
                f"It is no sound file, or a damaged one. It starts with {start!r}. Valid: WAV, FLAC, Ogg, Opus, MP3, "
                "AIFF, AU, CAF and what else libsndfile reads; ffmpeg converts others."
            ) from error
        file.seek(place)
        sound = soundfile.SoundFile(io.BytesIO(file.read(_LARGEST_MP3)))
    with sound:
        yield sound


def _decode(file: Any, max_seconds: float) -> tuple[np.ndarray, tuple[str, ...]]:
    import numpy as np
    import soxr

    with _opened(file) as sound:
        if not RATES[0] <= sound.samplerate <= RATES[1]:
            raise SoundError(
                f"The sample rate is {sound.samplerate:,} Hz. Valid: from {RATES[0]:,} to {RATES[1]:,} Hz."
            )
        wanted = round(max_seconds * sound.samplerate)
        limit = min(wanted, _MOST // sound.channels)
        resampler = None if sound.samplerate == RATE else soxr.ResampleStream(sound.samplerate, RATE, 1, "float32")
        blocks, frames = [], 0
        for block in _mono_blocks(sound, limit):
            frames += len(block)
            blocks.append(block if resampler is None else resampler.resample_chunk(block))
        if not frames:
            raise SoundError("There are no samples in it.")
        if resampler is not None:
            blocks.append(resampler.resample_chunk(np.empty(0, np.float32), last=True))
        remarks = [] if frames >= limit or _is_complete(sound, frames) else [DAMAGED]
        if frames >= limit and sound.frames > frames:
            remarks.append(SHORTENED if limit == wanted else LARGE)
    samples = np.concatenate(blocks)
    if not len(samples):
        raise SoundError(f"It has {frames} samples at {sound.samplerate:,} Hz, too few to be a sound.")
    return samples, tuple(remarks)


def _mono_blocks(sound: soundfile.SoundFile, limit: int) -> Iterator[np.ndarray]:
    """Yield the mean of all channels, float32 ``[frames]`` at a time, until the end, the limit or damage."""
    import numpy as np
    import soundfile

    size = max(1, min(limit, _BLOCK // sound.channels))
    buffer = np.empty((size, sound.channels), np.float32)
    done = 0
    while done < limit:
        # When an error is raised within a block, only this tells what has been decoded of it: NaN is refused anyhow.
        buffer.fill(np.nan)
        wanted = buffer[: limit - done]
        try:
            block, damaged = sound.read(out=wanted), False
        except soundfile.LibsndfileError:
            missing = np.isnan(wanted).all(axis=1)
            block, damaged = wanted[: int(missing.argmax()) if missing.any() else len(wanted)], True
        if not len(block):
            return
        yield _mono(block, done)
        done += len(block)
        if damaged:
            return


def _is_complete(sound: soundfile.SoundFile, frames: int) -> bool:
    """Whether as much was decoded as the file promised."""
    log = sound.extra_info
    if "bumping to SF_COUNT_MAX" in log:  # a FLAC file that was written to a pipe does not say how long it is
        return "DECODER_END_OF_STREAM" in log and "LOST_SYNC" not in log
    cut = _CUT.search(log)
    if cut and int(cut[2]) < int(cut[1]) < _UNKNOWN_SIZE:
        return False
    return frames >= sound.frames


def _from_array(source: Any, max_seconds: float) -> tuple[np.ndarray, tuple[str, ...]]:
    import numpy as np

    if not isinstance(source, np.ndarray):
        raise SoundError(f"A sound is a path, bytes or a NumPy array. Received: {type(source).__name__}.")
    if source.dtype.kind != "f" or source.ndim not in (1, 2) or (source.ndim == 2 and source.shape[1] > _CHANNELS):
        raise SoundError(
            "A sound array is float [samples] or [samples, channels], 16 kHz in [-1, 1] (16-bit samples divided by "
            f"32768). Received: {source.dtype} {list(source.shape)}."
        )
    if not source.size:
        raise SoundError("There are no samples in it.")
    limit = round(max_seconds * RATE)
    samples = _mono(source[:limit].reshape(min(limit, len(source)), -1), 0)
    return samples, ((SHORTENED,) if len(source) > limit else ())


def _mono(block: np.ndarray, start: int) -> np.ndarray:
    """Return the mean of channels ``[frames, channels]``, float32; refuse samples that are no sound."""
    import numpy as np

    loudest = max(float(block.max()), -float(block.min()))
    if not loudest <= LOUDEST:  # so that NaN is refused, too
        if not np.isfinite(loudest):
            frame = start + int(np.isfinite(block).all(axis=1).argmin())
            raise SoundError(f"Sample {frame:,} is not a finite number.")
        raise SoundError(f"Its samples reach {loudest:,.0f}. Valid: in [-1, 1], 16-bit samples divided by 32768.")
    if block.shape[1] == 1:
        return np.array(block[:, 0], np.float32)
    return np.asarray(block.mean(axis=1, dtype=np.float32))
