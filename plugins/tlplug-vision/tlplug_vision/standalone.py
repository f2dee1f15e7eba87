"""Reads pictures and prepares them as in training. Needs numpy and pillow, and pillow-heif for HEIC files."""

import io
from pathlib import Path

from tlplug_vision.decoding import opened
from tlplug_vision.image import make
from tlplug_vision.pixels import to_colour


def read(source, about):
    """Return the bytes of a picture: of a file, or of a uint8 array [height, width] or [..., 1, 3 or 4] as a PNG."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    with opened(source, about["preprocess"]["options"]["max_pixels"]) as image:
        if image.format in (None, "TGA"):  # an array; or a format that only the name of a file tells
            file = io.BytesIO()
            to_colour(image).save(file, "PNG")
            return file.getvalue()
        return Path(source).read_bytes()


def prepare(raw, about):
    """Return {"image": uint8 [1, height, width, 3]}."""
    return {"image": make(about["preprocess"]["options"], {})(raw)["image"][None]}
