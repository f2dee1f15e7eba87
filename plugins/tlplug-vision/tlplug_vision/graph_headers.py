"""What the headers of picture files say, in operations of TensorFlow: which way up, how large, what is transparent.

Sources: JPEG's markers, ITU-T T.81, annex B; PNG's chunks, W3C's PNG specification, sections 5 and 11; the metadata in
both, Exif 2.3 (JEITA CP-3451C), sections 4.5 and 4.6; GIF89a, section 23; BMP's BITMAPINFOHEADER.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import tensorflow as tf

SIDEWAYS = 5
"""From this orientation on, width and height are swapped."""

_PARTS = 2**16
"""Segments and chunks, and bytes between them, that are passed over at most."""

_METADATA = 2**16
"""Bytes of the metadata that are looked at."""

_ENTRIES = 512
"""Tags that are looked at."""

_MARK, _EXIF, _PIXELS = 0xFF, 0xE1, (0xD9, 0xDA)
_EXIF_CHUNK, _TRANSPARENT_CHUNK = (int.from_bytes(name) for name in (b"eXIf", b"tRNS"))
_LITTLE_ENDIAN = ord("I")
_ORIENTATION, _SHORT, _LONG = 0x0112, 3, 4

_POWERS = (2**24, 2**16, 2**8, 1)
"""What the digits of a number of four bytes count."""

_SIZES = (
    ((16, 17, 18, 19), (20, 21, 22, 23)),
    ((-1, -1, 7, 6), (-1, -1, 9, 8)),
    ((21, 20, 19, 18), (25, 24, 23, 22)),
)
"""Where width and height stand in PNG, GIF and BMP, the first digit first; at -1 there is a zero."""

_BEYOND = 32
"""Zeros behind a file, so that what is cut off is no error."""


class Header(NamedTuple):
    """What a file says of itself.

    Attributes:
        orientation: in the EXIF metadata of a JPEG or a PNG, int32 scalar from 1 to 8; 1, upright, where there is none.
        names_transparent: bool scalar, whether a PNG names colours, shades of grey or entries of its palette that are
            transparent.
        deep_grey: bool scalar, whether it is a PNG of 16-bit shades of grey.
    """

    orientation: tf.Tensor
    names_transparent: tf.Tensor
    deep_grey: tf.Tensor


def as_bytes(content: tf.Tensor) -> tf.Tensor:
    """Return the bytes of a file, a string scalar, as int32 ``[bytes]`` with some zeros behind them."""
    import tensorflow as tf

    return tf.pad(tf.cast(tf.io.decode_raw(content, tf.uint8), tf.int32), [[0, _BEYOND]])


def read(data: tf.Tensor) -> Header:
    """Read the headers of a file.

    Args:
        data: what `as_bytes` gave.
    """
    import tensorflow as tf

    is_png = _begins(data, b"\x89PNG")
    place, named = tf.cond(is_png, lambda: _chunks(data), lambda: (_segments(data), tf.constant(False)))
    turn = tf.cond(place > 0, lambda: _orientation(data[place : place + _METADATA]), lambda: 1)
    return Header(turn, named, is_png & _begins(data[24:], b"\x10\x00"))


def upright(picture: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """Undo an orientation, [height, width, channels] to the same or to [width, height, channels]."""
    import tensorflow as tf

    lying = tf.transpose(picture, tf.where(number >= SIDEWAYS, [1, 0, 2], [0, 1, 2]))
    backwards = [(each in (3, 4, 7, 8), each in (2, 3, 6, 7), False) for each in range(9)]
    return tf.raw_ops.Reverse(tensor=lying, dims=tf.gather(backwards, number))


def is_readable(data: tf.Tensor) -> tf.Tensor:
    """Whether a file is one that TensorFlow decodes as Pillow does, bool scalar.

    Those are JPEG and PNG, GIF of which nothing in the first picture is transparent, and BMP of 24 bits without
    compression: TensorFlow has neither the transparency of GIF nor the palettes of BMP. Its decoder of WebP, the only
    other one, ends the process where a picture is animated.

    Args:
        data: what `as_bytes` gave.
    """
    import tensorflow as tf

    plain = _begins(data, b"\xff\xd8\xff") | _begins(data, b"\x89PNG")
    bmp = _begins(data, b"BM") & (data[14] >= 40) & _begins(data[28:], b"\x18\x00\x00")
    return plain | bmp | tf.cond(_begins(data, b"GIF8"), lambda: ~_gif_is_transparent(data), lambda: False)


def pixels(content: tf.Tensor, data: tf.Tensor) -> tf.Tensor:
    """How many pixels the header of a picture states, int64 scalar; of one that `is_readable`.

    Args:
        content: of the file, string scalar.
        data: what `as_bytes` gave.
    """
    import tensorflow as tf

    def jpeg() -> tf.Tensor:
        return tf.reduce_prod(tf.cast(tf.io.extract_jpeg_shape(content)[:2], tf.int64))

    def others() -> tf.Tensor:
        kind = tf.where(_begins(data, b"\x89"), 0, tf.where(_begins(data, b"G"), 1, 2))
        numbers = tf.cast(tf.gather(data, tf.gather(_SIZES, kind) % tf.size(data)), tf.int64)
        sides = tf.reduce_sum(numbers * tf.constant(_POWERS, tf.int64), axis=1)
        return tf.reduce_prod(tf.minimum(sides, 2**32 - sides))  # BMP's height may be negative

    return tf.cond(_begins(data, b"\xff"), jpeg, others)


def _gif_is_transparent(data: tf.Tensor) -> tf.Tensor:
    """Whether the first extension that says so much says that something is."""
    import tensorflow as tf

    control = (data[:-8] == 0x21) & (data[1:-7] == 0xF9) & (data[2:-6] == 4) & (data[7:-1] == 0)
    first = tf.argmax(control)
    return control[first] & (data[first + 3] % 2 == 1)


def _begins(data: tf.Tensor, start: bytes) -> tf.Tensor:
    import tensorflow as tf

    return tf.reduce_all(data[: len(start)] == tf.constant(list(start)))


def _segments(data: tf.Tensor) -> tf.Tensor:
    """Where the metadata of a JPEG begin, 0 where there are none: walk over the segments as far as the pixels."""
    import tensorflow as tf

    end = tf.size(data) - _BEYOND

    def step(place: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        head = data[place : place + 10]
        kind = head[1]
        is_exif = (kind == _EXIF) & _begins(head[4:], b"Exif\0\0")
        stops = (head[0] != _MARK) | tf.reduce_any(kind == tf.constant(_PIXELS))
        after = tf.where(kind == _MARK, place + 1, place + 2 + 256 * head[2] + head[3])
        return tf.where(stops | is_exif, end, after), tf.where(is_exif & ~stops, place + 10, 0)

    begin = tf.where(_begins(data, b"\xff\xd8"), 2, end), tf.constant(0)
    _, found = tf.while_loop(lambda place, _: place < end, step, begin, maximum_iterations=_PARTS)
    return found


def _chunks(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the metadata of a PNG begin, 0 where there are none, and whether it names what is transparent."""
    import tensorflow as tf

    end = tf.size(data) - _BEYOND

    def step(place: tf.Tensor, exif: tf.Tensor, named: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        head = tf.reshape(data[place : place + 8], [2, 4])
        size, kind = tf.unstack(tf.reduce_sum(head * tf.constant(_POWERS), axis=1))
        # No chunk is longer than the file, and the next one begins behind this one.
        after = place + 12 + tf.clip_by_value(size, 0, end)
        return after, tf.where(kind == _EXIF_CHUNK, place + 8, exif), named | (kind == _TRANSPARENT_CHUNK)

    begin = tf.constant(8), tf.constant(0), tf.constant(False)
    return tf.while_loop(lambda place, *_: place < end, step, begin, maximum_iterations=_PARTS)[1:]


def _orientation(metadata: tf.Tensor) -> tf.Tensor:
    """The orientation in EXIF metadata, int32 scalar; of what is beyond their end, the last bytes are read."""
    import tensorflow as tf

    little = tf.reduce_all(tf.gather(metadata, [0]) == _LITTLE_ENDIAN)

    def numbers(places: tf.Tensor) -> list[tf.Tensor]:
        """Numbers of two bytes at places, int32 [count, places]."""
        place = tf.minimum(places, tf.size(metadata) - 2)
        here, behind = tf.gather(metadata, place), tf.gather(metadata, place + 1)
        return tf.unstack(tf.where(little, here + 256 * behind, 256 * here + behind), axis=1)

    def joined(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        """Numbers of four bytes; none is negative."""
        return tf.where(little, first + 2**16 * second, 2**16 * first + second) & (2**31 - 1)

    place = joined(*numbers(tf.constant([[4, 6]])))
    (count,) = numbers(tf.expand_dims(place, 0))
    tags = tf.reshape(place + 2, [1]) + 12 * tf.range(tf.minimum(tf.reduce_sum(count), _ENTRIES))
    tags, kinds, first, second = numbers(tf.expand_dims(tags, 1) + tf.constant([0, 2, 8, 10]))
    is_it = (tags == _ORIENTATION) & ((kinds == _SHORT) | (kinds == _LONG))
    values = tf.boolean_mask(tf.where(kinds == _LONG, joined(first, second), first), is_it)
    last = tf.concat([[1], values], axis=0)[-1]
    return tf.where((last >= 1) & (last <= 8), last, 1)
