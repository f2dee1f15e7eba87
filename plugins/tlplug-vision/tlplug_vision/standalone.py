"""Reads pictures and prepares them as in training. Needs numpy and pillow."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

BACKGROUNDS = {"white": (255, 255, 255), "grey": (128, 128, 128), "black": (0, 0, 0)}
TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # from an EXIF orientation to the transposition that undoes it


def read(source, about):
    """Return the bytes of a picture: of a file, or of a uint8 array [height, width, channels] as a PNG."""
    if not isinstance(source, np.ndarray):
        return source if isinstance(source, bytes) else Path(source).read_bytes()
    file = io.BytesIO()
    Image.fromarray(source.squeeze()).save(file, "PNG")
    return file.getvalue()


def prepare(raw, about):
    """Return {"image": uint8 [1, height, width, 3]}."""
    options = about["preprocess"]["options"]
    height, width, _ = options["input_shape"]
    aspect, background = options["aspect"], BACKGROUNDS[options["background"]]
    image = Image.open(io.BytesIO(raw))
    turned = image.getexif().get(0x0112, 1) > 4
    inside = _inside(image.size, (height, width) if turned else (width, height), aspect)
    image.draft(None, (2 * inside[0], 2 * inside[1]))
    image.load()
    turn = image.getexif().get(0x0112, 1)
    target = (height, width) if turn > 4 else (width, height)
    size = target if aspect == "crop" else _inside(image.size, target, aspect)
    box, colour = None, "RGBA" if "A" in image.getbands() or "transparency" in image.info else "RGB"
    if aspect == "crop":
        cut = [side * min(image.size[0] / target[0], image.size[1] / target[1]) for side in target]
        left, top = (max(0.0, (whole - part) / 2) for whole, part in zip(image.size, cut))
        box = (left, top, min(left + cut[0], image.size[0]), min(top + cut[1], image.size[1]))
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    small = image.convert(colour).resize(size, Image.Resampling.BILINEAR, box, reducing_gap=2.0).convert("RGBA")
    small = Image.alpha_composite(Image.new("RGBA", small.size, background), small).convert("RGB")
    small = small.transpose(Image.Transpose(TURNS[turn])) if turn in TURNS else small
    whole = Image.new("RGB", (width, height), background)
    whole.paste(small, ((width - small.width) // 2, (height - small.height) // 2))
    return {"image": np.asarray(whole)[None]}


def _inside(size, target, aspect):
    """Return the size of the whole picture: the target's, or within it, or around it."""
    if aspect == "squash":
        return target
    ratio = (max if aspect == "crop" else min)(target[0] / size[0], target[1] / size[1])
    return max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))
