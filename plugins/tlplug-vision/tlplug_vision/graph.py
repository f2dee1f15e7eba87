"""The preprocess of images in operations of TensorFlow, for exports that take encoded pictures.

It follows Pillow step by step: a JPEG is decoded at the scale that Pillow's draft mode takes, what is still much too
large is reduced by a whole number first, the resizing averages over what it leaves out, and what an EXIF orientation
turns is turned then. What differs from `tlplug_vision.image`: JPEG, PNG, GIF and BMP are read alone, and the
orientation of JPEGs alone, out of their EXIF metadata alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlplug_vision.exif import SIDEWAYS, orientation, upright
from tlplug_vision.image import BACKGROUNDS

if TYPE_CHECKING:
    import tensorflow as tf

GAP = 2.0
"""How much larger than the target a picture stays that is reduced before it is resized."""

SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM")
"""How files begin that are decoded. TensorFlow's decoder of WebP, the only other one, ends the process where a picture
is animated."""


def make(options: Mapping[str, Any], files: Mapping[str, Path]) -> tf.Module:  # noqa: ARG001 - images bring no files
    """Make a function of encoded pictures that is a TensorFlow graph.

    Args:
        options: see `tlplug_vision.image.make`; ``max_pixels`` is not looked at.
        files: none are used.

    Returns:
        A module to be called with a string tensor ``[batch]``, which gives ``{"image": uint8 [batch, height, width,
        3]}`` and None. It raises `tf.errors.InvalidArgumentError` where one is neither JPEG, PNG, GIF nor BMP. A
        SavedModel of it needs nothing but TensorFlow.

    Example::

        arrays, _ = make({"input_shape": (224, 224, 3)}, {})(tf.constant([Path("rose.jpg").read_bytes()]))
    """
    import tensorflow as tf

    height, width, _ = options["input_shape"]
    whole_target = tf.constant([height, width])
    aspect, background = options.get("aspect", "pad"), BACKGROUNDS[options.get("background", "white")]

    def content_size(size: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """How large the whole picture becomes, int32 [height, width]; at least, for ``crop``."""
        if aspect == "squash":
            return target
        ratios = tf.cast(target / size, tf.float64)
        ratio = tf.reduce_max(ratios) if aspect == "crop" else tf.reduce_min(ratios)
        return tf.maximum(tf.cast(tf.round(tf.cast(size, tf.float64) * ratio), tf.int32), 1)

    def decoded(content: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """Decode a picture, float32 [height, width, channels]."""

        def jpeg(ratio: int) -> tf.Tensor:
            return tf.io.decode_jpeg(content, ratio=ratio, dct_method="INTEGER_ACCURATE")

        def smaller() -> tf.Tensor:
            size = tf.io.extract_jpeg_shape(content)[:2]
            scale = tf.reduce_min(size // (2 * content_size(size, target)))
            branch = sum(tf.cast(scale >= ratio, tf.int32) for ratio in (2, 4, 8))
            return tf.switch_case(branch, [lambda ratio=ratio: jpeg(ratio) for ratio in (1, 2, 4, 8)])

        picture = tf.cond(tf.io.is_jpeg(content), smaller, lambda: tf.io.decode_image(content, expand_animations=False))
        picture.set_shape([None, None, None])
        return tf.cast(picture, tf.float32)

    def resized(picture: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """Resize [height, width, 4] to its final size, the centre of it for ``crop``."""
        size = tf.shape(picture)[:2]
        final = target if aspect == "crop" else content_size(size, target)
        whole = tf.cast(size, tf.float32)
        if aspect == "crop":
            box = tf.cast(target, tf.float32) * tf.reduce_min(whole / tf.cast(target, tf.float32))
            start = tf.maximum((whole - box) / 2, 0)
        else:
            box, start = whole, tf.zeros(2)
        factor = tf.maximum(tf.floor(box / tf.cast(final, tf.float32) / GAP), 1)
        reduced = _blocks(picture, tf.cast(factor, tf.int32))
        scale = tf.cast(final, tf.float32) * factor / box
        return tf.round(_translated(reduced, final, scale, -start / factor * scale, "triangle"))

    def prepared(content: tf.Tensor) -> tf.Tensor:
        content = _checked(content)
        turn = orientation(content)
        target = tf.where(turn >= SIDEWAYS, whole_target[::-1], whole_target)
        picture = upright(resized(_with_alpha(decoded(content, target)), target), turn)
        picture = picture[:, :, :3] + tf.constant(background, tf.float32) * (1 - picture[:, :, 3:] / 255)
        before = (whole_target - tf.shape(picture)[:2]) // 2
        after = whole_target - tf.shape(picture)[:2] - before
        beside = tf.stack([before, after], axis=1)
        channels = tf.unstack(picture, axis=2)
        padded = [
            tf.pad(channel, beside, constant_values=float(level))
            for channel, level in zip(channels, background, strict=True)
        ]
        image = tf.cast(tf.clip_by_value(tf.round(tf.stack(padded, axis=2)), 0, 255), tf.uint8)
        return tf.ensure_shape(image, [height, width, 3])

    class GraphImages(tf.Module):
        raw = tf.TensorSpec([None], tf.string, "image")

        def __call__(self, contents: tf.Tensor) -> tuple[dict[str, tf.Tensor], None]:
            spec = tf.TensorSpec([height, width, 3], tf.uint8)
            return {"image": tf.map_fn(prepared, contents, fn_output_signature=spec)}, None

    return GraphImages()


def _checked(content: tf.Tensor) -> tf.Tensor:
    """Refuse, before a decoder sees it, what begins like no picture that is read."""
    import tensorflow as tf

    def refused() -> tf.Tensor:
        numbers = tf.cast(tf.io.decode_raw(tf.strings.substr(content, 0, 12), tf.uint8), tf.int32)
        start = tf.strings.reduce_join(tf.gather([f"{byte:02x}" for byte in range(256)], numbers), separator=" ")
        valid = ". Valid: JPEG, PNG, GIF and BMP."
        reason = tf.strings.join(["no picture that is read here, it starts with ", start, valid])
        # An operation that fails with this text: exports are stripped of Assert.
        return tf.strings.as_string(tf.strings.to_number(reason))

    known = [tf.strings.substr(content, 0, len(start)) == start for start in SIGNATURES]
    return tf.cond(tf.reduce_any(known), lambda: content, refused)


def _with_alpha(picture: tf.Tensor) -> tf.Tensor:
    """Return premultiplied colour and alpha, [height, width, 4]: of what is transparent no colour may show."""
    import tensorflow as tf

    channels = tf.shape(picture)[2]
    plain = tf.fill(tf.shape(picture[:, :, :1]), 255.0)
    alpha = tf.cond(channels % 2 == 0, lambda: picture[:, :, -1:], lambda: plain)
    colour = tf.cond(channels < 3, lambda: tf.repeat(picture[:, :, :1], 3, axis=2), lambda: picture[:, :, :3])
    return tf.concat([tf.round(colour * alpha / 255), alpha], axis=2)


def _blocks(picture: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Average blocks of so many pixels, those at the end over the pixels that there are."""
    import tensorflow as tf

    size = tf.shape(picture)[:2]
    count = -(-size // factor)
    beside = tf.pad((count * factor - size)[:, None], [[0, 1], [1, 0]])
    there = tf.concat([picture, tf.ones_like(picture[:, :, :1])], axis=2)
    scale = 1 / tf.cast(factor, tf.float32)
    sums = _translated(tf.pad(there, beside), count, scale, tf.zeros(2), "box")
    return tf.round(sums[:, :, :-1] / sums[:, :, -1:])


def _translated(
    picture: tf.Tensor, size: tf.Tensor, scale: tf.Tensor, translation: tf.Tensor, kernel: str
) -> tf.Tensor:
    import tensorflow as tf

    made = tf.raw_ops.ScaleAndTranslate(
        images=picture[None], size=size, scale=scale, translation=translation, kernel_type=kernel, antialias=True
    )
    return made[0]
