"""The preprocess of images: whatever holds a picture becomes uint8 ``[height, width, 3]``."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlplug_vision.decoding import MAX_PIXELS, opened, silence_pillow
from tlplug_vision.pixels import flatten, orientation, to_colour

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

BACKGROUNDS = {"white": (255, 255, 255), "grey": (128, 128, 128), "black": (0, 0, 0)}
DEFAULT_BACKGROUND = BACKGROUNDS["white"]
THUMBNAIL = 128
"""Longer side of a preview in pixels, at most."""

_TURNED = (5, 6, 7, 8)
"""The EXIF orientations that swap width and height."""


def make(options: Mapping[str, Any], files: Mapping[str, Path]) -> Callable[[Any], dict[str, np.ndarray]]:  # noqa: ARG001 - images bring no files
    """Make the function that turns a source into the input of an image network.

    Args:
        options: ``input_shape`` (height, width, 3), ``aspect`` (``pad``, ``squash`` or ``crop``), ``background``
            (``white``, ``grey`` or ``black``) and ``max_pixels``.
        files: none are used.

    Returns:
        A function of one source (a path, bytes, a Pillow image or a uint8 array) that returns
        ``{"image": uint8 [height, width, 3]}``, RGB, and raises `ValueError` with one line for what it cannot read.
        It may be called from several threads.

    Raises:
        ValueError: the input shape is not fixed.
    """
    import numpy as np

    shape = tuple(options.get("input_shape") or ())
    if len(shape) != 3 or None in shape or shape[2] != 3 or min(shape) < 1:
        raise ValueError(f"Images need an input shape (height, width, 3). Received: {shape}.")
    size = (int(shape[1]), int(shape[0]))
    aspect = options.get("aspect", "pad")
    background = BACKGROUNDS[options.get("background", "white")]
    max_pixels = options.get("max_pixels", MAX_PIXELS)
    silence_pillow()

    def preprocess(source: Any) -> dict[str, np.ndarray]:
        with opened(source, max_pixels) as image:
            return {"image": np.array(fit(image, size, aspect, background, may_draft=image is not source))}

    return preprocess


def fit(
    image: Image.Image, size: tuple[int, int], aspect: str, background: tuple[int, int, int], *, may_draft: bool
) -> Image.Image:
    """Return an upright RGB picture of exactly `size` (width, height).

    Args:
        image: an opened Pillow image of any mode.
        size: width and height in pixels.
        aspect: ``pad`` puts bars of `background` beside it, ``squash`` ignores its shape, ``crop`` takes its centre.
        background: RGB, also behind transparent parts.
        may_draft: whether the image may be decoded at a smaller scale, which changes the object.
    """
    from PIL import Image

    turned = orientation(image) in _TURNED
    if may_draft:
        # Not below twice the target, or the resizing that follows has nothing left to average over.
        width, height = _content(image.size, _turn(size, turned), aspect)
        image.draft(None, (2 * width, 2 * height))
    image.load()
    # Pillow turns a TIFF when it loads it, so its orientation is only now the one that is left to do.
    remaining = orientation(image)
    target = _turn(size, remaining in _TURNED)
    colour = to_colour(image)
    box = _centre(image.size, target) if aspect == "crop" else None
    content = target if aspect == "crop" else _content(image.size, target, aspect)
    small = flatten(colour.resize(content, Image.Resampling.BILINEAR, box=box, reducing_gap=2.0), background)
    if remaining != 1:
        small = small.transpose(Image.Transpose(_TRANSPOSES[remaining]))
    if small.size == size:
        return small
    padded = Image.new("RGB", size, background)
    padded.paste(small, ((size[0] - small.width) // 2, (size[1] - small.height) // 2))
    return padded


_TRANSPOSES = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
"""From an EXIF orientation to the number of Pillow's transposition that undoes it."""


def _turn(size: tuple[int, int], turned: bool) -> tuple[int, int]:
    return (size[1], size[0]) if turned else size


def _content(size: tuple[int, int], target: tuple[int, int], aspect: str) -> tuple[int, int]:
    """How large the whole picture becomes (at least, for ``crop``)."""
    ratios = (target[0] / size[0], target[1] / size[1])
    if aspect == "squash":
        return target
    ratio = max(ratios) if aspect == "crop" else min(ratios)
    return (max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio)))


def _centre(size: tuple[int, int], target: tuple[int, int]) -> tuple[float, float, float, float]:
    """The largest centred box of the target's shape."""
    ratio = min(size[0] / target[0], size[1] / target[1])
    width, height = target[0] * ratio, target[1] * ratio
    left, top = max(0.0, (size[0] - width) / 2), max(0.0, (size[1] - height) / 2)  # rounding can end below 0
    return (left, top, min(left + width, size[0]), min(top + height, size[1]))


def preview(source: Any) -> tuple[str, bytes]:
    """Return a small picture of a source for a report: its media type, and the bytes of the file.

    Raises:
        ValueError: the source cannot be read; one line.
    """
    silence_pillow()
    buffer = io.BytesIO()
    with opened(source) as image:
        enlarged = max(image.size) <= THUMBNAIL
        turned = orientation(image) in _TURNED
        whole = image.size if enlarged else _content(image.size, (THUMBNAIL, THUMBNAIL), "pad")
        small = fit(image, _turn(whole, turned), "squash", DEFAULT_BACKGROUND, may_draft=image is not source)
    # JPEG would blur what is tiny already.
    small.save(buffer, "PNG" if enlarged else "JPEG", quality=80)
    return ("image/png" if enlarged else "image/jpeg"), buffer.getvalue()
