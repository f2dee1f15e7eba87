"""Pillow's resizing in operations of TensorFlow, bit for bit.

Pillow resizes 8-bit pictures in whole numbers, one axis after the other, and rounds to 8 bits after each; what is much
too large is first made smaller by averaging blocks. The arithmetic is that of Pillow 11.3 to 13.0: ``Resample.c``,
``Reduce.c``, ``Convert.c``, ``AlphaComposite.c`` and ``Image.resize``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

_GAP = 2.0
"""How much larger than the target a picture stays whose blocks are averaged before it is resized."""

_BITS = 22
"""Of the fraction of a weight."""

_COMPOSITE_BITS = 7
"""Of the fraction of an opacity."""


def resize(
    picture: tf.Tensor, size: tf.Tensor, start: tf.Tensor, stop: tf.Tensor, *, has_alpha: tf.Tensor | bool = False
) -> tf.Tensor:
    """Do what ``Image.resize(size, BILINEAR, box, reducing_gap=2)`` does, as the Pillow that is installed does it.

    Args:
        picture: int32 ``[height, width, channels]``, 0 to 255.
        size: of the result, int32 [height, width].
        start, stop: of the box of the picture that it shows, float64 [top, left] and [bottom, right].
        has_alpha: whether the last channel is the opacity, which the others were multiplied with, see `premultiplied`;
            bool scalar.

    Returns:
        int32 ``[*size, channels]``, 0 to 255.
    """
    import tensorflow as tf

    widths = tf.function(_widths, autograph=False)  # a program holds it once
    height, width, channels = tf.unstack(tf.shape(picture))
    whole = tf.stack([height, width])
    scale = (stop - start) / tf.cast(size, tf.float64)
    factor = tf.maximum(tf.cast(scale / _GAP, tf.int32), 1)
    # Before Pillow 13 nothing with alpha is made smaller first.
    factor = factor if _pillow() >= 13 else tf.where(has_alpha, 1, factor)
    smaller = tf.reduce_any(factor > 1)
    # The pixels beside the box that count as well.
    low = tf.where(smaller, tf.maximum(tf.cast(start - scale / 2, tf.int32), 0), 0)
    high = tf.where(smaller, tf.minimum(tf.cast(tf.math.ceil(stop + scale / 2), tf.int32), whole), whole)
    inner = tf.slice(picture, tf.pad(low, [[0, 1]]), tf.concat([high - low, [channels]], axis=0))
    reduced = tf.cond(smaller, lambda: _reduced(inner, factor), lambda: inner)
    # Pillow's boxes are in single precision.
    box = tf.cast((tf.stack([start, stop]) - tf.cast(low, tf.float64)) / tf.cast(factor, tf.float64), tf.float32)
    # Widths are resized first. From Pillow 13 on it is heights where more is lost of them: the picture is turned.
    height, width, _ = tf.unstack(tf.shape(reduced) - tf.pad(size, [[0, 1]]))
    order = tf.where((_pillow() >= 13) & (height > 0) & (height > 2 * width), [1, 0, 2], [0, 1, 2])
    second, first, _ = tf.unstack(order)
    made = tf.transpose(reduced, order)
    for axis in (first, second):
        made = tf.transpose(widths(made, tf.gather(size, axis), tf.gather(box, axis, axis=1)), [1, 0, 2])
    return tf.transpose(made, order)


def _pillow() -> int:
    """The version that is installed where an export is made."""
    from PIL import __version__

    return int(__version__.partition(".")[0])


def _reduced(picture: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Average blocks of so many pixels, int32 [height, width]; those at the end over the pixels that there are."""
    import tensorflow as tf

    height, width, channels = tf.unstack(tf.shape(picture))
    high, wide = tf.unstack(factor)
    rows, columns = -(-height // high), -(-width // wide)
    filled = tf.pad(picture, [[0, rows * high - height], [0, columns * wide - width], [0, 0]])
    sums = tf.reduce_sum(tf.reshape(filled, [rows, high, -1]), axis=1)
    sums = tf.cast(tf.reduce_sum(tf.reshape(sums, [rows, columns, wide, channels]), axis=2), tf.int64)
    blocks = tf.minimum(height - tf.range(rows) * high, high), tf.minimum(width - tf.range(columns) * wide, wide)
    pixels = tf.einsum("y,x->yx", *blocks)[:, :, tf.newaxis]
    share = tf.cast(2.0**32 / tf.cast(256 * pixels, tf.float32), tf.int64)
    return tf.cast(tf.bitwise.right_shift((sums + tf.cast(pixels // 2, tf.int64)) * share, 24), tf.int32)


def _widths(picture: tf.Tensor, size: tf.Tensor, box: tf.Tensor) -> tf.Tensor:
    """Resize the width with a triangle as wide as two pixels of the smaller of both pictures."""
    import tensorflow as tf

    _, length, _ = tf.unstack(tf.shape(picture))
    start, stop = tf.unstack(box)
    scale = tf.cast(stop - start, tf.float64) / tf.cast(size, tf.float64)
    support = tf.maximum(scale, 1.0)
    centre = tf.cast(start, tf.float64) + (tf.cast(tf.range(size), tf.float64) + 0.5) * scale
    first = tf.maximum(tf.cast(centre - support + 0.5, tf.int32), 0)
    last = tf.minimum(tf.cast(centre + support + 0.5, tf.int32), length)
    places = tf.expand_dims(first, 1) + tf.range(tf.reduce_max(last - first))
    distances = (tf.cast(places, tf.float64) - tf.expand_dims(centre, 1) + 0.5) * (1 / support)
    weights = tf.where(places < tf.expand_dims(last, 1), tf.maximum(1 - tf.abs(distances), 0), 0)
    weights /= tf.math.cumsum(weights, axis=1)[:, -1:]  # sums from left to right, as Pillow does
    rounded = tf.cast(weights * 2**_BITS + 0.5, tf.int32)
    pixels = tf.gather(picture, tf.minimum(places, length - 1), axis=1)
    sums = tf.reduce_sum(pixels * tf.expand_dims(rounded, 2), axis=2) + 2 ** (_BITS - 1)
    return tf.clip_by_value(tf.bitwise.right_shift(sums, _BITS), 0, 255)


def premultiplied(picture: tf.Tensor) -> tf.Tensor:
    """Multiply colours with their opacity: of what is transparent no colour may show.

    Args:
        picture: int32 ``[height, width, 4]``, 0 to 255, the last channel the opacity, as in what is returned.
    """
    import tensorflow as tf

    colour, alpha = tf.split(picture, [3, 1], axis=2)
    return tf.concat([_over_255(colour * alpha + 128), alpha], axis=2)


def divided(picture: tf.Tensor) -> tf.Tensor:
    """Divide colours by their opacity: what was `premultiplied`, but for what is lost in it."""
    import tensorflow as tf

    colour, alpha = tf.split(picture, [3, 1], axis=2)
    partly = (alpha > 0) & (alpha < 255)
    return tf.concat([tf.where(partly, tf.minimum(255 * colour // tf.maximum(alpha, 1), 255), colour), alpha], axis=2)


def in_front(picture: tf.Tensor, background: Sequence[int]) -> tf.Tensor:
    """Put a picture in front of a plain colour.

    Args:
        picture: int32 ``[height, width, 4]``, 0 to 255, the last channel the opacity.
        background: RGB, 0 to 255.

    Returns:
        int32 ``[height, width, 3]``.
    """
    import tensorflow as tf

    colour, alpha = tf.split(picture, [3, 1], axis=2)
    one = 2**_COMPOSITE_BITS
    mixed = (colour * alpha + tf.constant(background) * (255 - alpha) + 128) * one
    return tf.where(alpha > 0, _over_255(mixed) // one, tf.constant(background))


def _over_255(value: tf.Tensor) -> tf.Tensor:
    """Divide by 255 as Pillow does, which is to the nearest where 128 was added."""
    import tensorflow as tf

    return tf.bitwise.right_shift(tf.bitwise.right_shift(value, 8) + value, 8)
