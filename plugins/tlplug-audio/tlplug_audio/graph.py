"""The preprocess of sound in operations of TensorFlow, for exports that take waveforms.

Decoding and resampling stay outside: TensorFlow reads WAV alone, and resamples in no way that soxr's samples come out
of.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlplug_audio.audio import HOP, checked
from tlplug_audio.waveform import MAX_SECONDS, RATE

if TYPE_CHECKING:
    import tensorflow as tf


def make(options: Mapping[str, Any], files: Mapping[str, Path]) -> tf.Module:  # noqa: ARG001 - sound brings no files
    """Make a function of waveforms that is a TensorFlow graph.

    Args:
        options: see `tlplug_audio.audio.make`.
        files: none are used.

    Returns:
        A module to be called with float32 ``[batch, samples]``, mono, 16 kHz in [-1, 1], at least one sample, all of a
        length; others of a batch go into calls of their own, because silence behind a sound would be heard. It gives
        ``{"waveform": float32 [windows, size]}``, those of the first sound first, and int32 ``[batch]``, how many
        windows each has. A SavedModel of it needs nothing but TensorFlow.

    Raises:
        ValueError: the input shape is not that of a waveform, or the hop is no sample long.

    Example::

        arrays, counts = make({"input_shape": (15_600,)}, {})(tf.zeros([1, 40_000]))
        arrays["waveform"].shape, counts  # [5, 15600], [5]
    """
    import tensorflow as tf

    size, hop = checked(options.get("input_shape"), options.get("hop", HOP))
    limit = round(options.get("max_seconds", MAX_SECONDS) * RATE)

    class GraphSounds(tf.Module):
        raw = tf.TensorSpec([None, None], tf.float32, "waveform")

        def __call__(self, waveforms: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
            waveforms = waveforms[:, :limit]
            batch, length = tf.unstack(tf.shape(waveforms))
            if size is None:
                return {"waveform": waveforms}, tf.ones([batch], tf.int32)
            # As many as begin within the sound and are needed to reach its end; with a hop beyond the size not all are.
            count = tf.minimum(1 - tf.minimum(size - length, 0) // hop, -(-length // hop))
            filled = tf.pad(waveforms, [[0, 0], [0, tf.maximum((count - 1) * hop + size - length, 0)]])
            places = hop * tf.range(count)[:, None] + tf.range(size)
            windows = tf.reshape(tf.gather(filled, places, axis=1), [-1, size])
            return {"waveform": windows}, tf.fill([batch], count)

    return GraphSounds()
