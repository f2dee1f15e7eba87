"""The preprocess of images in operations of TensorFlow, for exports that take encoded pictures.

It follows Pillow step by step and bit for bit: a JPEG is decoded at the scale that Pillow's draft mode takes, then
resized, and what an EXIF orientation turns is turned then. What differs from `tlplug_vision.image`: only what
`tlplug_vision.graph_headers.READ` says is read, and an orientation is not seen that does not stand in EXIF metadata, or
in damaged ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlplug_vision.decoding import MAX_PIXELS, MAX_SCANS
from tlplug_vision.graph_headers import READ, SIDEWAYS, Header, read, upright
from tlplug_vision.graph_resizing import divided, in_front, premultiplied, resize
from tlplug_vision.image import BACKGROUNDS

if TYPE_CHECKING:
    import tensorflow as tf


def make(options: Mapping[str, Any], files: Mapping[str, Path]) -> tf.Module:  # noqa: ARG001 - images bring no files
    """Make a function of encoded pictures that is a TensorFlow graph.

    Args:
        options: see `tlplug_vision.image.make`.
        files: none are used.

    Returns:
        A module to be called with a string tensor ``[batch]``, which gives ``{"image": uint8 [batch, height, width,
        3]}`` and None. It raises `tf.errors.InvalidArgumentError` where one is not read, see
        `tlplug_vision.graph_headers.READ`, or too large. A SavedModel of it needs nothing but TensorFlow.

    Example::

        arrays, _ = make({"input_shape": (224, 224, 3)}, {})(tf.constant([Path("rose.jpg").read_bytes()]))
    """
    import tensorflow as tf

    height, width, _ = options["input_shape"]
    whole_target = tf.constant([height, width])
    max_pixels = options.get("max_pixels", MAX_PIXELS)
    aspect, background = options.get("aspect", "pad"), BACKGROUNDS[options.get("background", "white")]

    def content_size(size: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """How large the whole picture becomes, int32 [height, width]; at least, for ``crop``."""
        if aspect == "squash":
            return target
        ratios = tf.cast(target / size, tf.float64)
        ratio = tf.reduce_max(ratios) if aspect == "crop" else tf.reduce_min(ratios)
        return tf.maximum(tf.cast(tf.round(tf.cast(size, tf.float64) * ratio), tf.int32), 1)

    def decoded(content: tf.Tensor, header: Header, target: tf.Tensor) -> tf.Tensor:
        """Decode a picture, uint8 [height, width, channels]."""

        def jpeg(ratio: int) -> tf.Tensor:
            return tf.io.decode_jpeg(content, ratio=ratio, dct_method="INTEGER_ACCURATE")

        def smaller() -> tf.Tensor:
            size = tf.io.extract_jpeg_shape(content)[:2]
            scale = tf.reduce_min(size // (2 * content_size(size, target)))
            branch = sum(tf.cast(scale >= ratio, tf.int32) for ratio in (2, 4, 8))
            return tf.switch_case(branch, [lambda ratio=ratio: jpeg(ratio) for ratio in (1, 2, 4, 8)])

        def grey() -> tf.Tensor:
            deep = tf.cast(tf.io.decode_png(content, channels=1, dtype=tf.uint16), tf.float32)
            return tf.cast(tf.round(deep * (255 / 65535)), tf.uint8)

        cases = [
            (tf.io.is_jpeg(content), smaller),
            (header.deep_grey, grey),
            (header.names_transparent, lambda: tf.io.decode_png(content, channels=4)),
        ]
        picture = tf.case(cases, lambda: tf.io.decode_image(content, expand_animations=False))
        return tf.ensure_shape(picture, [None, None, None])

    def resized(picture: tf.Tensor, size: tf.Tensor, has_alpha: tf.Tensor) -> tf.Tensor:
        """Resize int32 [height, width, channels], for ``crop`` its centre."""
        whole = tf.cast(tf.shape(picture)[:2], tf.float64)
        start, stop = tf.zeros(2, tf.float64), whole
        if aspect == "crop":
            final = tf.cast(size, tf.float64)
            box = final * tf.reduce_min(whole / final)
            start = tf.maximum((whole - box) / 2, 0)
            stop = tf.minimum(start + box, whole)
        return resize(picture, size, start, stop, has_alpha=has_alpha)

    def prepared(content: tf.Tensor) -> tf.Tensor:
        header = read(content)
        content = _checked(content, header, max_pixels)
        target = tf.where(header.orientation >= SIDEWAYS, whole_target[::-1], whole_target)
        picture = decoded(content, header, target)
        has_alpha = tf.shape(picture)[2] % 2 == 0
        colour = _colour(picture)
        # What is not resized is not multiplied with its opacity either, which would cost it levels.
        whole = tf.shape(picture)[:2]
        size = target if aspect == "crop" else content_size(whole, target)
        multiplies = has_alpha & tf.reduce_any(whole != size)
        small = resized(tf.cond(multiplies, lambda: premultiplied(colour), lambda: colour), size, has_alpha)

        def composed() -> tf.Tensor:
            return in_front(tf.where(multiplies, divided(small), small), background)

        final = upright(tf.cond(has_alpha, composed, lambda: small), header.orientation)
        plain = tf.constant(background)
        missing = whole_target - tf.gather(tf.shape(final), [0, 1])
        beside = tf.pad(tf.stack([missing // 2, missing - missing // 2], axis=1), [[0, 1], [0, 0]])
        return tf.ensure_shape(tf.cast(tf.pad(final - plain, beside) + plain, tf.uint8), [height, width, 3])

    class GraphImages(tf.Module):
        raw = tf.TensorSpec([None], tf.string, "image")

        def __call__(self, contents: tf.Tensor) -> tuple[dict[str, tf.Tensor], None]:
            spec = tf.TensorSpec([height, width, 3], tf.uint8)
            each = tf.function(prepared, autograph=False)  # in which names are shorter: they are much of a program
            return {"image": tf.map_fn(each, contents, fn_output_signature=spec)}, None

    return GraphImages()


def _checked(content: tf.Tensor, header: Header, max_pixels: int) -> tf.Tensor:
    """Refuse, before a decoder sees it, what is not read as Pillow reads it, and what is too large."""
    import tensorflow as tf

    def refused() -> tf.Tensor:
        begins = tf.strings.as_string(tf.io.decode_raw(tf.strings.substr(content, 0, 4), tf.uint8))
        begins = tf.strings.reduce_join(begins, separator=" ")
        pixels, scans = tf.strings.as_string(header.pixels), tf.strings.as_string(header.scans)
        unread = ["no picture that is read here, its first bytes are ", begins, f". Valid: {READ}.", "", ""]
        valid = f" scans. Valid: at most {max_pixels} pixels, {MAX_SCANS} scans of so many."
        reason = tf.where(header.is_read, ["the picture has ", pixels, " pixels in ", scans, valid], unread)
        # An operation that fails with this text: exports are stripped of Assert.
        return tf.strings.as_string(tf.strings.to_number(tf.strings.reduce_join(reason)))

    passed = header.pixels * tf.cast(header.scans, tf.int64)
    fits = (header.pixels <= max_pixels) & (passed <= MAX_SCANS * max_pixels)
    return tf.cond(header.is_read & fits, lambda: content, refused)


def _colour(picture: tf.Tensor) -> tf.Tensor:
    """Return int32 [height, width, 3], or 4 with alpha, of a picture of one to four channels."""
    import tensorflow as tf

    picture = tf.cast(picture, tf.int32)
    grey = [tf.repeat(picture[:, :, :1], 3, axis=2), picture[:, :, 1:]]
    return tf.cond(tf.shape(picture)[2] < 3, lambda: tf.concat(grey, axis=2), lambda: picture)
