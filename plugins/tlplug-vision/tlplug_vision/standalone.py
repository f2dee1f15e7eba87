"""Reads pictures and prepares them as in training. Needs numpy and pillow, and pillow-heif for HEIC files."""

import contextlib
import importlib.util
import io
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "PCX", "QOI")
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
MAX_BYTES = 1 << 30  # of a file
MAX_SCANS = 16  # passes of a JPEG over the largest picture that is allowed
BACKGROUNDS = {"white": (255, 255, 255), "grey": (128, 128, 128), "black": (0, 0, 0)}
TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # from an EXIF orientation to the transposition that undoes it


class ImageError(ValueError):
    """A source that is no picture, or none that can be read; the message says why in one line."""


@contextlib.contextmanager
def _one_line():
    """Raise `ImageError`, whatever a damaged file makes Pillow's decoders raise."""
    try:
        yield
    except ImageError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ImageError(f"The image file is damaged or unsupported: {reason:.200}.") from error


@_one_line()
def read(source, about):
    """Return the bytes of a picture: of a file, or of a uint8 array [height, width] or [..., 1, 3 or 4] as a PNG."""
    if isinstance(source, np.ndarray):
        return _png(_from_array(source))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    if not isinstance(source, (str, Path)):
        raise ImageError(f"A picture is a path, bytes or a NumPy array. Received: {type(source).__name__}.")
    path = Path(source)
    if not path.is_file():
        raise ImageError("There is no such file." if not path.exists() else "It is not a regular file.")
    if path.stat().st_size > MAX_BYTES:
        raise ImageError(f"The file has {path.stat().st_size:,} bytes. Valid: at most {MAX_BYTES:,}.")
    raw = path.read_bytes()
    if path.suffix.lower() == ".tga":  # only its name says what it is
        image = _opened(raw, about, (*FORMATS, "TGA"))
        return _png(_colour(image)) if image.format == "TGA" else raw
    return raw


@_one_line()
def prepare(raw, about):
    """Return {"image": uint8 [1, height, width, 3]}."""
    return {"image": np.asarray(_fitted(_opened(raw, about, FORMATS), about["preprocess"]["options"]))[None]}


def _opened(raw, about, formats):
    """Open a picture, and refuse one that is too large before it is decoded."""
    if raw[4:8] == b"ftyp" and raw[8:12] in HEIF_BRANDS and importlib.util.find_spec("pillow_heif"):
        importlib.import_module("pillow_heif").register_heif_opener()
        formats = ("HEIF", *formats)
    try:
        image = Image.open(io.BytesIO(raw), formats=formats)
    except UnidentifiedImageError as error:
        if raw[4:8] == b"ftyp" and raw[8:12] in HEIF_BRANDS and "HEIF" not in formats:
            raise ImageError("HEIC images need pillow-heif. Type: pip install pillow-heif") from error
        raise ImageError(
            f"It is no image, or a damaged one. It starts with {raw[:12].hex(' ') or 'nothing'}. "
            f"Valid: {', '.join(FORMATS)}."
        ) from error
    pixels, valid = image.width * image.height, about["preprocess"]["options"]["max_pixels"]
    if not 1 <= pixels <= valid:
        raise ImageError(f"The image has {image.width} by {image.height} pixels. Valid: at most {valid:,}.")
    scans = raw.count(b"\xff\xda") if image.format in ("JPEG", "MPO") else 0
    if scans * pixels > MAX_SCANS * valid:
        raise ImageError(f"The JPEG has {scans:,} scans of {pixels:,} pixels, too many to decode.")
    return image


def _fitted(image, options):
    """Return an upright RGB picture of the size that the network takes."""
    height, width, _ = options["input_shape"]
    aspect, background = options["aspect"], BACKGROUNDS[options["background"]]
    inside = _inside(image.size, (height, width) if _orientation(image) > 4 else (width, height), aspect)
    image.draft(None, (2 * inside[0], 2 * inside[1]))
    image.load()
    turn = _orientation(image)
    target = (height, width) if turn > 4 else (width, height)
    size, box = target if aspect == "crop" else _inside(image.size, target, aspect), None
    if aspect == "crop":
        cut = [side * min(image.size[0] / target[0], image.size[1] / target[1]) for side in target]
        left, top = (max(0.0, (whole - part) / 2) for whole, part in zip(image.size, cut))
        box = (left, top, min(left + cut[0], image.size[0]), min(top + cut[1], image.size[1]))
    small = _colour(image).resize(size, Image.Resampling.BILINEAR, box, reducing_gap=2.0).convert("RGBA")
    small = Image.alpha_composite(Image.new("RGBA", small.size, background), small).convert("RGB")
    small = small.transpose(Image.Transpose(TURNS[turn])) if turn in TURNS else small
    whole = Image.new("RGB", (width, height), background)
    whole.paste(small, ((width - small.width) // 2, (height - small.height) // 2))
    return whole


def _inside(size, target, aspect):
    """Return the size of the whole picture: the target's, or within it, or around it."""
    if aspect == "squash":
        return target
    ratio = (max if aspect == "crop" else min)(target[0] / size[0], target[1] / size[1])
    return max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))


def _orientation(image):
    """Return the EXIF orientation, 1 where there is none or it is damaged."""
    try:
        turn = image.getexif().get(0x0112, 1)
    except Exception:  # noqa: BLE001 - damaged metadata raise anything, and say nothing about the pixels
        return 1
    return turn if turn in TURNS else 1


def _colour(image):
    """Return RGB, or RGBA where some of it may be transparent."""
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_8_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    return image.convert("RGB")


def _to_8_bits(image):
    """Scale 16 bits, and floats of [0, 1] or [0, 255]; stretch others between the smallest and the largest."""
    values = np.asarray(image)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise ImageError("It has pixels that are not finite numbers.")
    if image.mode == "F" and low >= 0 and high <= 255:
        low, high = 0.0, (1.0 if high <= 1 else 255.0)
    elif image.mode != "F" and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(255 / ((high - low) or 1))
    return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))


def _from_array(array):
    """Return the picture in an array; a last axis of 1 is grey."""
    grey = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    colours = grey.shape[2] if grey.ndim == 3 else 1
    if array.dtype != np.uint8 or grey.ndim not in (2, 3) or colours not in (1, 3, 4) or not array.size:
        raise ImageError(
            "An image array is uint8 [height, width] or [height, width, 1, 3 or 4], and not empty. "
            f"Received: {array.dtype} {list(array.shape)}."
        )
    return Image.fromarray(np.ascontiguousarray(grey))


def _png(image):
    """Return the bytes of a PNG, which keeps every pixel."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
