"""From a source to an opened Pillow image, with everything that a hostile file could do bounded beforehand."""

from __future__ import annotations

import contextlib
import functools
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from tlplug_vision.formats import FORMATS, HEIF, UNSIGNED_FORMATS

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 89_478_485
"""Pixels that a picture may have unless stated otherwise: about 0.4 GB in memory."""

MAX_BYTES = 1 << 30
"""Size of the largest file that is opened; some decoders read a file as a whole."""

MAX_SCANS = 16
"""Passes over the largest allowed picture that a JPEG may ask for; progressive ones have about ten."""

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


class ImageError(ValueError):
    """A source that is no image, or none that can be read; the message says why in one line."""


@contextlib.contextmanager
def opened(source: Any, max_pixels: int = MAX_PIXELS) -> Iterator[Image.Image]:
    """Open a source: its size and mode are known and allowed, its pixels are decoded when they are used.

    Args:
        source: a path (str or Path), the bytes of a file, a Pillow image, or a uint8 array ``[height, width]`` or
            ``[height, width, 1, 3 or 4]``.
        max_pixels: refuse a picture with more.

    Raises:
        ImageError: whatever is wrong with the source, also where it turns up while the pixels are decoded.
    """
    from PIL import Image

    try:
        with contextlib.ExitStack() as stack:
            if isinstance(source, Image.Image):
                image = _opened_before(source)
            elif isinstance(source, (str, Path)):
                image = _from_file(stack.enter_context(_open_file(Path(source))), Path(source).suffix, stack)
            elif isinstance(source, (bytes, bytearray, memoryview)):
                image = _from_file(io.BytesIO(source), "", stack)
            else:
                image = _from_array(source)
            _check_size(image.size, max_pixels)
            if image is not source and image.format in ("JPEG", "MPO"):
                _check_scans(image, max_pixels)
            yield image
    except (ImageError, ImportError):
        raise
    except MemoryError as error:
        raise ImageError("The image needs more memory than there is.") from error
    except Exception as error:
        # Pillow's decoders raise whatever a damaged file makes them: OSError, SyntaxError, struct.error, KeyError ...
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ImageError(f"The image file is damaged or unsupported: {reason:.200}.") from error


def silence_pillow() -> None:
    """Ignore Pillow's warnings about odd files in this process; what matters of them is an error here.

    A filter for Pillow's modules alone, added once for all threads: `warnings.catch_warnings` around each image would
    change the filters of every other thread, too.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")


def _opened_before(image: Image.Image) -> Image.Image:
    from PIL import ImageFile

    allowed = (*FORMATS, *UNSIGNED_FORMATS.values(), HEIF, "MPO")
    if isinstance(image, ImageFile.ImageFile) and image.format not in allowed:
        raise ImageError(
            f"A Pillow image opened from a {image.format} file is not decoded here. Valid: image.convert('RGB')."
        )
    return image


def _open_file(path: Path) -> BinaryIO:
    # Devices and pipes are files, too, and have no end.
    if not path.is_file():
        raise ImageError("There is no such file." if not path.exists() else "It is not a regular file.")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ImageError(f"The file has {size:,} bytes. Valid: at most {MAX_BYTES:,}.")
    try:
        return path.open("rb")
    except OSError as error:
        raise ImageError(f"The file cannot be read: {error.strerror or error}.") from error


def _from_file(file: BinaryIO, suffix: str, stack: contextlib.ExitStack) -> Image.Image:
    from PIL import Image, UnidentifiedImageError

    start = file.read(12)
    file.seek(0)
    if not start:
        raise ImageError("The file is empty.")
    formats: tuple[str, ...] = FORMATS
    if start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS and _heif_available():
        formats = (HEIF, *formats)
    if suffix.lower() in UNSIGNED_FORMATS:
        formats = (*formats, UNSIGNED_FORMATS[suffix.lower()])
    try:
        return stack.enter_context(Image.open(file, formats=formats))
    except UnidentifiedImageError as error:
        if start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS and HEIF not in formats:
            raise ImageError("HEIC images need pillow-heif. Type: pip install pillow-heif") from error
        raise ImageError(
            f"It is no image, or a damaged one. It starts with {start.hex(' ')}. Valid: JPEG, PNG, WebP, GIF and "
            "others, see tlplug preprocesses image."
        ) from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"The image is refused as a decompression bomb: {error}") from error


@functools.cache
def _heif_available() -> bool:
    try:
        import pillow_heif  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def _from_array(source: Any) -> Image.Image:
    import numpy as np
    from PIL import Image

    if not isinstance(source, np.ndarray):
        raise ImageError(
            f"An image is a path, bytes, a Pillow image or a NumPy array. Received: {type(source).__name__}."
        )
    grey = source.ndim == 2 or (source.ndim == 3 and source.shape[2] == 1)
    if source.dtype != np.uint8 or not (grey or (source.ndim == 3 and source.shape[2] in (3, 4))) or not source.size:
        raise ImageError(
            f"An image array is uint8 [height, width] or [height, width, 1, 3 or 4], and not empty. "
            f"Received: {source.dtype} {list(source.shape)}."
        )
    return Image.fromarray(np.ascontiguousarray(source.reshape(source.shape[:2]) if grey else source))


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(f"The image has no pixels: {width} by {height}.")
    if width * height > max_pixels:
        raise ImageError(
            f"The image has {width} by {height} pixels. Valid: at most {max_pixels:,} (--set preprocess.max_pixels)."
        )


def _check_scans(image: Any, max_pixels: int) -> None:
    """Refuse a JPEG whose passes over the picture would take minutes, each of them a few bytes long."""
    image.fp.seek(0)
    scans, tail = 0, b""
    while block := image.fp.read(1 << 20):
        scans += (tail + block).count(b"\xff\xda")
        tail = block[-1:]
    if scans * image.width * image.height > MAX_SCANS * max_pixels:
        raise ImageError(f"The JPEG has {scans:,} scans of {image.width} by {image.height} pixels, too many to decode.")
