"""The demonstration data: handwritten digits that come with scikit-learn."""

from __future__ import annotations

from pathlib import Path


def write(folder: Path) -> str:
    """Write scikit-learn's 1,797 scans of digits as PNG files, ``<folder>/<digit>/<number>.png``.

    Args:
        folder: where to; it is created.

    Returns:
        One sentence that says what the data are.

    Source: Alpaydin, Kaynak: Optical recognition of handwritten digits, 1998, UCI Machine Learning Repository
    (test part), doi:10.24432/C50P49.
    """
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number, (scan, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        path = folder / str(label) / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        # Ink is counted from 0 to 16 in each pixel.
        Image.fromarray(np.rint(scan * (255 / 16)).astype(np.uint8)).save(path)
    return f"{len(digits.images):,} scans of handwritten digits, 8 by 8 pixels in ten classes, from the UCI repository"
