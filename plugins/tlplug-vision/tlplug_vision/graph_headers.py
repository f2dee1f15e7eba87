"""What the headers of picture files say, in operations of TensorFlow: what they are, how large, and which way up.

Sources: JPEG's markers, ITU-T T.81, annex B; PNG's chunks, W3C's PNG specification, sections 5 and 11; BMP's
BITMAPINFOHEADER; the metadata of the first two, Exif 2.3 (JEITA CP-3451C), sections 4.5 and 4.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import tensorflow as tf

SIDEWAYS = 5
"""From this orientation on, width and height are swapped."""

READ = "JPEG other than CMYK, PNG without animation, BMP of 24 bits"
"""What is decoded, for people."""

_PARTS = 2**16
"""Segments, bytes that fill up the space between them, and chunks that are passed over at most."""

_ENTRIES = 512
"""Tags that are looked at."""

_MARK, _EXIF, _SCAN, _PIXELS = 0xFF, 0xE1, 0xDA, (0xD9, 0xDA)
_ANIMATION, _EXIF_CHUNK, _TRANSPARENT, _END = (int.from_bytes(name) for name in (b"acTL", b"eXIf", b"tRNS", b"IEND"))
_PALETTE = 3
_SHORT, _LONG = 0x0112_0003, 0x0112_0004
"""How an entry of the EXIF metadata begins that has the orientation, as a number of two bytes or four."""

_POWERS = (2**24, 2**16, 2**8, 1)
"""What the digits of a number of four bytes count."""

_BMP_HEADERS = (40, 52, 56, 64, 108, 124)
"""Sizes of the headers that begin with BITMAPINFOHEADER."""

_BEYOND = 64
"""Zeros behind a file, so that what is cut off is no error."""


class Header(NamedTuple):
    """What a file says of itself; each a scalar.

    Attributes:
        is_read: bool, whether it is one that TensorFlow decodes as Pillow does, see `READ`. TensorFlow has neither the
            palettes of BMP nor the transparency of GIF, decodes all pictures of a GIF at once, and ends the process
            where a WebP is animated.
        pixels: int64, of the picture.
        scans: int32, how often a JPEG passes over them.
        orientation: int32 from 1 to 8, in its EXIF metadata; 1, upright, where there is none.
        names_transparent: bool, whether a PNG says which of its colours or levels of grey are transparent.
        deep_grey: bool, whether it is a PNG of 16-bit levels of grey.
    """

    is_read: tf.Tensor
    pixels: tf.Tensor
    scans: tf.Tensor
    orientation: tf.Tensor
    names_transparent: tf.Tensor
    deep_grey: tf.Tensor


class _Parts(NamedTuple):
    """What a header says before its metadata are looked into; `metadata` is their bytes, none where there are none."""

    is_read: tf.Tensor
    pixels: tf.Tensor
    scans: tf.Tensor
    metadata: tf.Tensor
    names_transparent: tf.Tensor


def read(content: tf.Tensor) -> Header:
    """Read the headers of a file.

    Args:
        content: of the file, string scalar.

    Raises:
        tf.errors.InvalidArgumentError: it begins like a JPEG, and is none.
    """
    import tensorflow as tf

    data = tf.pad(tf.io.decode_raw(content, tf.uint8), [[0, _BEYOND]])
    is_png = _is(data[:4], b"\x89PNG")
    known = [
        (_is(data[:3], b"\xff\xd8\xff"), lambda: _jpeg(content, data)),
        (is_png, lambda: _png(data)),
        (_is(data[:2], b"BM"), lambda: _bmp(data)),
    ]
    parts = tf.case(known, lambda: _parts(tf.constant(False), tf.constant([0, 0])))
    turn = tf.cond(tf.size(parts.metadata) > 0, lambda: _orientation(parts.metadata), lambda: 1)
    deep_grey = is_png & _is(data[24:26], b"\x10\x00")
    return Header(parts.is_read, parts.pixels, parts.scans, turn, parts.names_transparent, deep_grey)


def upright(picture: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """Undo an orientation, [height, width, channels] to the same or to [width, height, channels]."""
    import tensorflow as tf

    lying = tf.transpose(picture, tf.where(number >= SIDEWAYS, [1, 0, 2], [0, 1, 2]))
    backwards = [(each in (3, 4, 7, 8), each in (2, 3, 6, 7), False) for each in range(9)]
    return tf.raw_ops.Reverse(tensor=lying, dims=tf.gather(backwards, number))


def _parts(
    is_read: tf.Tensor,
    sides: tf.Tensor,
    scans: tf.Tensor | None = None,
    metadata: tf.Tensor | None = None,
    names_transparent: tf.Tensor | None = None,
) -> _Parts:
    import tensorflow as tf

    return _Parts(
        is_read,
        tf.reduce_prod(tf.cast(sides, tf.int64)),
        tf.constant(1) if scans is None else scans,
        tf.zeros([0], tf.uint8) if metadata is None else metadata,
        tf.constant(False) if names_transparent is None else names_transparent,
    )


def _jpeg(content: tf.Tensor, data: tf.Tensor) -> _Parts:
    import tensorflow as tf

    shape = tf.io.extract_jpeg_shape(content)
    scans = tf.reduce_sum(tf.cast((data[:-1] == _MARK) & (data[1:] == _SCAN), tf.int32))
    start, end = _segments(data)
    return _parts(shape[2] < 4, shape[:2], scans, data[start:end])


def _png(data: tf.Tensor) -> _Parts:
    start, end, named, animated = _chunks(data)
    # Levels that are named transparent are those of the file's own depth, which TensorFlow looks for among 8 bits.
    is_read = ~animated & (~named | (data[24] == 8) | (data[25] == _PALETTE))
    return _parts(is_read, _numbers(data[16:24], _POWERS), None, data[start:end], named)


def _bmp(data: tf.Tensor) -> _Parts:
    import tensorflow as tf

    sides = tf.abs(_numbers(data[18:26], _POWERS[::-1]))  # a negative height says that the top row comes first
    known = tf.reduce_any(data[14] == tf.constant(_BMP_HEADERS, tf.uint8)) & _is(data[15:18], bytes(3))
    return _parts(known & _is(data[28:34], b"\x18\0\0\0\0\0"), sides)


def _numbers(data: tf.Tensor, powers: tuple[int, ...]) -> tf.Tensor:
    """Numbers of four bytes each, whose digits count so much, int32 [numbers]."""
    import tensorflow as tf

    return tf.reduce_sum(tf.reshape(tf.cast(data, tf.int32), [-1, 4]) * tf.constant(powers), axis=1)


def _is(data: tf.Tensor, value: bytes) -> tf.Tensor:
    import tensorflow as tf

    return tf.reduce_all(data == tf.constant(list(value), tf.uint8))


def _segments(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the metadata of a JPEG begin and end, twice 0 where there are none: the segments as far as the pixels."""
    import tensorflow as tf

    size = tf.size(data) - _BEYOND

    def step(place: tf.Tensor, *_: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        head = data[place : place + 10]
        mark, kind, high, low = tf.unstack(tf.cast(head[:4], tf.int32), 4)
        after = tf.where(kind == _MARK, place + 1, place + 2 + 256 * high + low)
        stops = (mark != _MARK) | tf.reduce_any(kind == tf.constant(_PIXELS))
        found = (kind == _EXIF) & _is(head[4:], b"Exif\0\0") & ~stops
        return tf.where(stops | found, size, after), tf.where(found, place + 10, 0), tf.where(found, after, 0)

    begin = tf.constant(2), tf.constant(0), tf.constant(0)
    return tf.while_loop(lambda place, *_: place < size, step, begin, maximum_iterations=_PARTS)[1:]


def _chunks(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Where the metadata of a PNG begin and end, twice 0 where there are none.

    And whether it names what is transparent, and whether it is animated.
    """
    import tensorflow as tf

    size = tf.size(data) - _BEYOND

    def step(
        place: tf.Tensor, start: tf.Tensor, end: tf.Tensor, named: tf.Tensor, animated: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        length, kind = tf.unstack(_numbers(data[place : place + 8], _POWERS), 2)
        # No chunk is longer than the file, and the next one begins behind this one.
        behind = place + 8 + tf.clip_by_value(length, 0, size)
        is_exif = kind == _EXIF_CHUNK
        start, end = tf.where(is_exif, place + 8, start), tf.where(is_exif, behind, end)
        after = tf.where(kind == _END, size, behind + 4)
        return after, start, end, named | (kind == _TRANSPARENT), animated | (kind == _ANIMATION)

    begin = tf.constant(8), tf.constant(0), tf.constant(0), tf.constant(False), tf.constant(False)
    return tf.while_loop(lambda place, *_: place < size, step, begin, maximum_iterations=_PARTS)[1:]


def _orientation(metadata: tf.Tensor) -> tf.Tensor:
    """The orientation in EXIF metadata, uint8 [bytes], as int32 scalar; what is beyond their end is 0."""
    import tensorflow as tf

    magic, data = metadata[:4], tf.pad(metadata, [[0, _BEYOND]])
    little = _is(magic, b"II*\0")
    powers = tf.where(little, _POWERS[::-1], _POWERS)

    def numbers(places: tf.Tensor) -> tf.Tensor:
        """Numbers of four bytes at places, of any shape."""
        place = tf.expand_dims(tf.clip_by_value(places, 0, tf.size(data) - 4), -1) + tf.range(4)
        return tf.reduce_sum(tf.cast(tf.gather(data, place), tf.int32) * powers, axis=-1)

    def short(number: tf.Tensor) -> tf.Tensor:
        """The first two bytes of a number of four."""
        return tf.where(little, number & 0xFFFF, tf.bitwise.right_shift(number, 16) & 0xFFFF)

    table = numbers(tf.constant(4))
    count = tf.minimum(short(numbers(table)), _ENTRIES)
    entries = numbers(table + tf.reshape(12 * tf.range(count), [-1, 1]) + tf.constant([2, 6, 10]))
    kinds, counts, values = tf.unstack(entries, axis=1)
    is_short, is_long = (kinds == tf.where(little, _swapped(kind), kind) for kind in (_SHORT, _LONG))
    is_it = tf.concat([(is_short | is_long) & (counts == 1), [True]], axis=0)
    number = tf.gather(tf.concat([tf.where(is_long, values, short(values)), [1]], axis=0), tf.argmax(is_it))
    known = (little | _is(magic, b"MM\0*")) & (number >= 1) & (number <= 8)
    return tf.where(known, number, 1)


def _swapped(number: int) -> int:
    """A number of four bytes whose halves have changed places."""
    return number >> 16 | (number & 0xFFFF) << 16
