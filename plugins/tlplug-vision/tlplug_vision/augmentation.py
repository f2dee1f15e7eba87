"""Random changes of images, uint8 ``[height, width, 3]``, that leave their class as it is.

What a change brings in from beyond the border is of the colour that the preprocess puts there, and the bars beside a
picture, like a plain background of that colour, keep it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from tlplug_vision.image import BACKGROUNDS, DEFAULT_BACKGROUND

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    Arrays = Mapping[str, np.ndarray]

OPERATIONS = 2
"""Of ``image-randaugment`` in a row: the paper's choice for ImageNet."""

MATTE = 32
"""How far from the colour behind it, of 255, a pixel counts as wholly in front; nearer ones change by less."""

_RATIO = math.log(4 / 3)
"""The logarithm of the aspect ratio that a crop has at most before it is stretched."""

_ROTATION, _SHEAR, _TRANSLATION, _BITS, _SHARPNESS = 30.0, 0.3, 0.45, 4, 0.9
"""The most that an operation does: degrees, a slope, a share of the size, bits taken away, a change of the factor."""


def flip(arrays: Arrays, generator: np.random.Generator, amount: float) -> dict[str, np.ndarray]:
    """Mirror the image, left to right.

    Args:
        arrays: with ``image``, uint8 ``[height, width, 3]``.
        generator: of all chance.
        amount: how often, from 0 to 1.

    >>> import numpy as np
    >>> flip({"image": np.uint8([[[1, 2, 3], [4, 5, 6]]])}, np.random.default_rng(0), 1.0)["image"].tolist()
    [[[4, 5, 6], [1, 2, 3]]]
    """
    import numpy as np

    image = arrays["image"]
    return {**arrays, "image": np.ascontiguousarray(image[:, ::-1]) if generator.random() < amount else image}


def crop(arrays: Arrays, generator: np.random.Generator, amount: float) -> dict[str, np.ndarray]:
    """Enlarge a part of the image to the size of the whole.

    Its share of the area is anything from ``1 - amount`` to 1, its aspect ratio from 3:4 to 4:3 of the whole's, as far
    as such a part fits, and its place any.

    Args:
        arrays: with ``image``, uint8 ``[height, width, 3]``.
        generator: of all chance.
        amount: the largest share of the area that is cut away, from 0 to 1.

    Source: Szegedy et al. 2014, Going deeper with convolutions, arXiv:1409.4842, whose amount is 0.92.
    """
    import numpy as np
    from PIL import Image

    image = Image.fromarray(arrays["image"])
    share = max(1 - amount * generator.random(), 1 / (image.width * image.height))
    most = min(_RATIO, -math.log(share))
    ratio = math.exp(most * generator.uniform(-1, 1))
    width, height = (
        side * math.sqrt(part) for side, part in zip(image.size, (share * ratio, share / ratio), strict=True)
    )
    left, top = (
        max(0.0, side - part) * generator.random() for side, part in zip(image.size, (width, height), strict=True)
    )
    box = (left, top, min(left + width, image.width), min(top + height, image.height))
    return {**arrays, "image": np.array(image.resize(image.size, Image.Resampling.BILINEAR, box=box))}


def colour(arrays: Arrays, generator: np.random.Generator, amount: float) -> dict[str, np.ndarray]:
    """Multiply brightness, contrast and saturation, each by a factor from ``1 - amount`` to ``1 + amount``.

    Args:
        arrays: with ``image``, uint8 ``[height, width, 3]``.
        generator: of all chance; the order of the three is random as well.
        amount: the largest change of a factor, from 0 to 1.

    Source: Howard 2013, Some improvements on deep convolutional neural network based image classification,
    arXiv:1312.5402, whose amount is 0.5.
    """
    from PIL import ImageEnhance

    kinds = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    changes = [(kinds[place], generator.uniform(1 - amount, 1 + amount)) for place in generator.permutation(len(kinds))]

    def change(picture: Image.Image) -> Image.Image:
        for kind, factor in changes:
            picture = kind(picture).enhance(factor)
        return picture

    return {**arrays, "image": _in_front(arrays["image"], change)}


def randaugment(arrays: Arrays, generator: np.random.Generator, amount: float) -> dict[str, np.ndarray]:
    """Apply two operations out of eleven, all of one strength: the paper's but for those that `colour` has.

    They are nothing at all, rotation, shear and translation along either axis, equalization, autocontrast,
    posterization, solarization and sharpness.

    Args:
        arrays: with ``image``, uint8 ``[height, width, 3]``.
        generator: of all chance.
        amount: from 0 to 1, a magnitude of 30 in the paper's code: at 1 a rotation by 30 degrees, a slope of 0.3, a
            translation by 0.45 of the size, four bits a colour, and all pixels inverted.

    Source: Cubuk et al. 2019, RandAugment, arXiv:1909.13719; the ranges are those of Cubuk et al. 2018, AutoAugment,
    arXiv:1805.09501.
    """
    image = arrays["image"]
    operations = (*_MOVES, *_TONES, None)
    for place in generator.integers(len(operations), size=OPERATIONS):
        operation, sign = operations[place], 1 if generator.random() < 0.5 else -1
        if operation in _MOVES:
            image = _moved(image, operation(sign * amount))
        elif operation is not None:
            image = _in_front(image, lambda picture, tone=operation, by=sign * amount: tone(picture, by))
    return {**arrays, "image": image}


Affine = tuple[float, float, float, float]
"""A 2 by 2 matrix, row by row: how far from the centre a pixel of the result is in the image it comes from."""


def _rotate(by: float) -> tuple[Affine, tuple[float, float]]:
    sine, cosine = math.sin(math.radians(_ROTATION * by)), math.cos(math.radians(_ROTATION * by))
    return (cosine, sine, -sine, cosine), (0, 0)


_MOVES: Sequence[Callable[[float], tuple[Affine, tuple[float, float]]]] = (
    _rotate,
    lambda by: ((1, _SHEAR * by, 0, 1), (0, 0)),
    lambda by: ((1, 0, _SHEAR * by, 1), (0, 0)),
    lambda by: ((1, 0, 0, 1), (_TRANSLATION * by, 0)),
    lambda by: ((1, 0, 0, 1), (0, _TRANSLATION * by)),
)
"""From a signed strength to a matrix, and to a shift in widths and heights."""


def _equalize(picture: Image.Image, by: float) -> Image.Image:  # noqa: ARG001 - it has no strength
    from PIL import ImageOps

    return ImageOps.equalize(picture)


def _autocontrast(picture: Image.Image, by: float) -> Image.Image:  # noqa: ARG001 - it has no strength
    from PIL import ImageOps

    return ImageOps.autocontrast(picture)


def _posterize(picture: Image.Image, by: float) -> Image.Image:
    from PIL import ImageOps

    return ImageOps.posterize(picture, 8 - round(_BITS * abs(by)))


def _solarize(picture: Image.Image, by: float) -> Image.Image:
    from PIL import ImageOps

    return ImageOps.solarize(picture, round(256 * (1 - abs(by))))


def _sharpness(picture: Image.Image, by: float) -> Image.Image:
    from PIL import ImageEnhance

    return ImageEnhance.Sharpness(picture).enhance(1 + _SHARPNESS * by)


_TONES = (_equalize, _autocontrast, _posterize, _solarize, _sharpness)


def _moved(image: np.ndarray, move: tuple[Affine, tuple[float, float]]) -> np.ndarray:
    """Move pixels about the centre; what comes from beyond the border is of the background's colour."""
    import numpy as np
    from PIL import Image

    (a, b, c, d), (right, down) = move
    picture = Image.fromarray(image)
    x, y = picture.width / 2, picture.height / 2
    data = (a, b, x - a * x - b * y + right * picture.width, c, d, y - c * x - d * y + down * picture.height)
    return np.array(
        picture.transform(
            picture.size,
            Image.Transform.AFFINE,
            data,
            Image.Resampling.BILINEAR,
            fillcolor=background(image) or DEFAULT_BACKGROUND,
        )
    )


def background(image: np.ndarray) -> tuple[int, int, int] | None:
    """Return the colour that the preprocess has put beside or behind a picture, uint8 ``[height, width, 3]``.

    It is the one of `tlplug_vision.image.BACKGROUNDS` that most corners are of, and at least two; None where there is
    none.
    """
    corners = [tuple(int(value) for value in image[y, x]) for y in (0, -1) for x in (0, -1)]
    most = max(BACKGROUNDS.values(), key=corners.count)
    return most if corners.count(most) > 1 else None


def _in_front(image: np.ndarray, change: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    """Change the tones of a picture, but not those of the bars beside it and of the plain colour behind it."""
    import numpy as np
    from PIL import Image

    behind = background(image)
    if behind is None:
        return np.array(change(Image.fromarray(image)))
    distance = np.abs(image.astype(np.int16) - np.array(behind, np.int16)).max(axis=2)
    rows, columns = np.flatnonzero(distance.any(axis=1)), np.flatnonzero(distance.any(axis=0))
    if not rows.size:  # nothing is in front
        return image
    inside = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    before = np.ascontiguousarray(image[inside])
    share = np.minimum(distance[inside] / np.float32(MATTE), 1)[..., None]
    after = np.asarray(change(Image.fromarray(before)), np.float32)
    changed = image.copy()
    changed[inside] = np.rint(before + share * (after - before))
    return changed
