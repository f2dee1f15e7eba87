"""The preprocess of sound: whatever holds a recording becomes the windows that a network takes, and one embedding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlplug_audio.waveform import MAX_SECONDS, RATE, read

if TYPE_CHECKING:
    import numpy as np

HOP = 0.48
"""Seconds from one window to the next, unless stated otherwise: YAMNet's own; half of it measured no better."""


def make(options: Mapping[str, Any], files: Mapping[str, Path]) -> Callable[[Any], list[dict[str, Any]]]:  # noqa: ARG001 - sound brings no files
    """Make the function that turns a source into the windows of a sound network.

    Args:
        options: ``input_shape`` (samples,), where None takes a recording as a whole; ``hop`` and ``max_seconds``, both
            in seconds.
        files: none are used.

    Returns:
        A function of one source (see `tlplug_audio.waveform.read`) that returns a list of ``{"waveform": float32
        [samples]}`` of 16 kHz, in order, the last one filled up with silence, each with its ``span`` in seconds, and
        with ``remark`` in the first where there is one. It raises `ValueError` with one line for what it cannot read,
        and may be called from several threads.

    Raises:
        ValueError: the input shape is not that of a waveform, or the hop is no sample long.
    """
    size, hop = checked(options.get("input_shape"), options.get("hop", HOP))
    max_seconds = options.get("max_seconds", MAX_SECONDS)

    def preprocess(source: Any) -> list[dict[str, Any]]:
        sound = read(source, max_seconds)
        seconds, windows = len(sound.samples) / RATE, list[dict[str, Any]]()
        for number, window in enumerate(cut(sound.samples, size, hop)):
            start = number * hop / RATE
            windows.append({"waveform": window, "span": (start, min(start + len(window) / RATE, seconds), "s")})
        if sound.remarks:
            windows[0]["remark"] = "; ".join(sound.remarks)
        return windows

    return preprocess


def checked(shape: Any, seconds: float) -> tuple[int | None, int]:
    """Return the samples of a window, None where a recording is taken as a whole, and those from one to the next.

    Raises:
        ValueError: the input shape is not that of a waveform, or the hop is no sample long.

    >>> checked((15_600,), 0.48)
    (15600, 7680)
    """
    shape, hop = tuple(shape or ()), round(seconds * RATE)
    if len(shape) != 1 or (shape[0] is not None and shape[0] < 1):
        raise ValueError(f"Sound needs an input shape (samples,). Received: {shape}.")
    if hop < 1:
        raise ValueError(f"The hop is at least one sample. Received: {seconds} s.")
    return shape[0], hop


def cut(samples: np.ndarray, size: int | None, hop: int) -> list[np.ndarray]:
    """Return windows of `size` samples, `hop` apart, that together hold all of ``[n]``; a single one when None.

    They are views of `samples`, but for the last, which is filled up with zeros.

    >>> import numpy as np
    >>> [window.tolist() for window in cut(np.arange(1, 7), 4, 3)]
    [[1, 2, 3, 4], [4, 5, 6, 0]]
    """
    import numpy as np

    if size is None:
        return [samples]
    starts = range(0, max(len(samples) - size, 0) + hop, hop)
    windows = [samples[start : start + size] for start in starts if start < len(samples)]
    windows[-1] = np.pad(windows[-1], (0, size - len(windows[-1])))
    return windows
