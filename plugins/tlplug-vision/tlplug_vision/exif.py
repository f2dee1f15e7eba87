"""The EXIF orientation of JPEG files in operations of TensorFlow: which one a file has, and the turn that undoes it.

Sources: JPEG's markers, ITU-T T.81, annex B; the metadata in them, Exif 2.3 (JEITA CP-3451C), sections 4.5 and 4.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

SIDEWAYS = 5
"""From this orientation on, width and height are swapped."""

_SEGMENTS = 512
"""Segments, and bytes between them, that are passed over at most."""

_ENTRIES = 512
"""Tags that are looked at."""

_MARK, _EXIF, _PIXELS = 0xFF, 0xE1, (0xD9, 0xDA)
_NAME, _LITTLE_ENDIAN = b"Exif\0\0", b"I"
_ORIENTATION, _SHORT, _LONG = 0x0112, 3, 4


def orientation(content: tf.Tensor) -> tf.Tensor:
    """Return the orientation of a picture, int32 scalar from 1 to 8.

    It is 1, upright, where the file is no JPEG or has none. One that stands in XMP alone is not seen.

    Args:
        content: a file, string scalar.
    """
    import tensorflow as tf

    data = tf.pad(tf.io.decode_raw(content, tf.uint8), [[0, 16]])
    place = _find(data)
    return tf.cond(place > 0, lambda: _read(data, place), lambda: 1)


def upright(picture: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """Undo an orientation, [height, width, channels] to the same or to [width, height, channels]."""
    import tensorflow as tf

    def among(*numbers: int) -> tf.Tensor:
        return tf.reduce_any(number == tf.constant(numbers))

    picture = tf.cond(number >= SIDEWAYS, lambda: tf.transpose(picture, [1, 0, 2]), lambda: picture)
    picture = tf.cond(among(2, 3, 6, 7), lambda: tf.reverse(picture, [1]), lambda: picture)
    return tf.cond(among(3, 4, 7, 8), lambda: tf.reverse(picture, [0]), lambda: picture)


def _find(data: tf.Tensor) -> tf.Tensor:
    """Where the metadata begin, 0 where there are none: walk over the segments as far as the pixels."""
    import tensorflow as tf

    end = tf.size(data) - 16
    name = tf.constant(list(_NAME), tf.uint8)

    def step(place: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        kind = data[place + 1]
        is_exif = (kind == _EXIF) & tf.reduce_all(data[place + 4 : place + 10] == name)
        stops = (data[place] != _MARK) | tf.reduce_any(kind == tf.constant(_PIXELS, tf.uint8))
        after = tf.where(kind == _MARK, place + 1, place + 2 + _number(data, place + 2, 2, little=False))
        return tf.where(stops | is_exif, end, after), tf.where(is_exif & ~stops, place + 10, 0)

    is_jpeg = (data[0] == _MARK) & (data[1] == 0xD8)
    begin = tf.where(is_jpeg, 2, end), tf.constant(0)
    _, found = tf.while_loop(
        lambda place, found: (place < end) & (found == 0), step, begin, maximum_iterations=_SEGMENTS
    )
    return found


def _read(data: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
    """The orientation in the metadata that begin there."""
    import tensorflow as tf

    little = data[start] == _LITTLE_ENDIAN[0]
    table = start + _number(data, start + 4, 4, little=little)
    count = tf.clip_by_value(_number(data, table, 2, little=little), 0, _ENTRIES)
    tags = table + 2 + 12 * tf.range(count)
    kinds = _number(data, tags + 2, 2, little=little)
    numbers = tf.where(
        kinds == _LONG, _number(data, tags + 8, 4, little=little), _number(data, tags + 8, 2, little=little)
    )
    is_it = (_number(data, tags, 2, little=little) == _ORIENTATION) & ((kinds == _SHORT) | (kinds == _LONG))
    values = tf.boolean_mask(numbers, is_it)
    last = tf.concat([[1], values], axis=0)[-1]
    return tf.where((last >= 1) & (last <= 8), last, 1)


def _number(data: tf.Tensor, places: tf.Tensor, size: int, *, little: tf.Tensor | bool) -> tf.Tensor:
    """Numbers of so many bytes at places; of what is beyond the end, its last byte."""
    import tensorflow as tf

    place = tf.clip_by_value(tf.expand_dims(places, -1) + tf.range(size), 0, tf.size(data) - 1)
    digits = tf.cast(tf.gather(data, place), tf.int32)
    ordered = tf.where(little, tf.reverse(digits, [-1]), digits)
    return tf.reduce_sum(ordered * tf.constant([256**power for power in reversed(range(size))]), axis=-1)
