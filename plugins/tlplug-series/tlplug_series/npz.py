"""The reader of NumPy's ``.npz`` archives: X and y, or a pair of each for every part."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlplug_series.examples import SPLITS, example
from tlplug_series.formats import MAX_ARCHIVE, MAX_SERIES
from tlplug_series.npy import read_array
from tlplug_series.values import SeriesError

if TYPE_CHECKING:
    import numpy as np

    from tlplug import Example

_MEMBER = re.compile(r"([xy])(?:_([a-z]+))?\.npy", re.IGNORECASE)

Parts = dict[str | None, dict[str, zipfile.ZipInfo]]
"""By split, the members x and y."""


def sniff(path: Path) -> float:
    """Say how sure it is that `path` is an archive with X, and with y."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        return 0.0
    try:
        with zipfile.ZipFile(path) as archive:
            parts = _parts(archive)
    except (zipfile.BadZipFile, SeriesError, ValueError, NotImplementedError, EOFError):
        return 0.0
    return 0.0 if not parts else 0.9 if all("y" in part for part in parts.values()) else 0.6


def read(path: Path, options: Mapping[str, Any]) -> Iterator[Example]:  # noqa: ARG001 - every reader takes options
    """Yield the examples of an archive as ``numpy.savez`` writes it.

    Args:
        path: of an archive with ``X``, numbers ``[n, time]`` or ``[n, time, channels]``, and ``y``, ``[n]`` numbers or
            texts; or with ``X_train``, ``y_train``, ``X_test``, ``y_test`` (``x_train`` ..., ``X_val`` ...), which keep
            their split. NaN is a missing value, and no step at the end of a series. Without y there are no labels.
        options: none.

    Raises:
        DataError: it is no such archive, has Python objects, which are never loaded, or is larger than a gibibyte an
            array.
    """
    from tlplug import DataError

    try:
        with zipfile.ZipFile(path) as archive:
            parts = _parts(archive)
            if not parts:
                names = ", ".join(info.filename.removesuffix(".npy") for info in archive.infolist()[:5])
                raise SeriesError(
                    f"It has no X. Received: {names or 'nothing'}. Valid: X and y, or X_train, y_train ..."
                )
            for split, members in parts.items():
                yield from _examples(archive, members, split, str(path))
    except (SeriesError, MemoryError) as error:
        raise DataError(f"{str(path)!r} cannot be read: {error or 'it needs more memory than there is'}") from error
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
    except (zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError, EOFError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{str(path)!r} is no NumPy archive, or a damaged one: {reason:.100}.") from error


def _parts(archive: zipfile.ZipFile) -> Parts:
    found: Parts = {}
    for info in archive.infolist():
        match = _MEMBER.fullmatch(info.filename)
        if match is None or (match[2] and match[2].lower() not in SPLITS):
            continue
        members = found.setdefault(SPLITS[match[2].lower()] if match[2] else None, {})
        if match[1].lower() in members:
            raise SeriesError(f"It has {match[1].lower()!r} twice: {info.filename.removesuffix('.npy')}.")
        members[match[1].lower()] = info
    return {split: members for split, members in found.items() if "x" in members}


def _examples(
    archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], split: str | None, name: str
) -> Iterator[Example]:
    called = members["x"].filename.removesuffix(".npy")
    # Labels first: they are small, and tell what is wrong before much is unpacked.
    labels = _labels(_array(archive, members["y"])) if "y" in members else None
    x = _array(archive, members["x"])
    if x.ndim not in (2, 3) or x.dtype.kind not in "biuf":
        raise SeriesError(
            f"{called} is {x.dtype} {list(x.shape)}. Valid: numbers [n, time] or [n, time, channels], padded with NaN."
        )
    if labels is not None and len(labels) != len(x):
        raise SeriesError(f"{called} has {len(x):,} series, and there are {len(labels):,} labels.")
    for row, values in enumerate(x):
        label = None if labels is None else labels[row]
        yield example(values, label, name=f"{name}:{called}[{row}]", split=split, trim=True)


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    try:
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise SeriesError("It is packed in a way that NumPy does not use.")
        with archive.open(info) as file:
            array = read_array(file, info.file_size, MAX_ARCHIVE)
    except SeriesError as error:
        raise SeriesError(f"{info.filename.removesuffix('.npy')}: {error}") from error
    if array.ndim and len(array) > MAX_SERIES:
        raise SeriesError(f"It has {len(array):,} series. Valid: at most {MAX_SERIES:,}.")
    return array


def _labels(y: np.ndarray) -> list[str]:
    import numpy as np

    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or y.dtype.kind not in "biufUS":
        hint = " Of one-hot rows take y.argmax(axis=1)." if y.ndim == 2 else ""
        raise SeriesError(f"y is {y.dtype} {list(y.shape)}. Valid: a number or text for each series, [n].{hint}")
    if y.dtype.kind == "S":
        return [label.decode("utf-8", "replace") for label in y.tolist()]
    if y.dtype.kind == "f":
        whole = bool(np.all((y == np.rint(y)) | ~np.isfinite(y)))
        stated = zip(y.tolist(), np.isfinite(y).tolist(), strict=True)
        return [(str(int(label)) if whole else str(label)) if finite else "" for label, finite in stated]
    return [str(label) for label in y.tolist()]
