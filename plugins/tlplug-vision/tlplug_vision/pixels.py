"""Pixels of any Pillow mode as 8-bit colour, and which way up they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

_ORIENTATION = 0x0112
"""The EXIF tag."""


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1, upright, where there is none or its metadata are damaged."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - damaged metadata raise anything, and say nothing about the pixels
        return 1
    return value if value in range(1, 9) else 1


def to_colour(image: Image.Image) -> Image.Image:
    """Return the first frame as ``RGB``, or as ``RGBA`` where some of it may be transparent.

    16-bit values are scaled to 8 bits, never clipped. Floating-point values from 0 to 1 or from 0 to 255 keep their
    meaning; any others are stretched between the smallest and the largest.

    Raises:
        ValueError: Pillow has no conversion of the mode to RGB, or a value is not finite.
    """
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_8_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        if image.mode == "La":
            image = image.convert("LA")
        return image.convert("RGBA")
    return image.convert("RGB")


def flatten(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """Return ``RGB``: an ``RGBA`` image in front of a plain colour, any other as it is."""
    from PIL import Image

    if image.mode != "RGBA":
        return image
    plain = Image.new("RGBA", image.size, (*background, 255))
    return Image.alpha_composite(plain, image).convert("RGB")


def _to_8_bits(image: Image.Image) -> Image.Image:
    import numpy as np
    from PIL import Image

    values = np.asarray(image)
    if image.mode == "F":
        low, high = float(values.min()), float(values.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ValueError("it has pixels that are not finite numbers")
        if low >= 0 and high <= 255:
            low, high = 0.0, (1.0 if high <= 1 else 255.0)
    else:
        low, high = 0.0, 65535.0
        if values.dtype.itemsize > 2 and (values.min() < 0 or values.max() > 65535):
            low, high = float(values.min()), float(values.max())
    scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(255 / ((high - low) or 1))
    return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))
