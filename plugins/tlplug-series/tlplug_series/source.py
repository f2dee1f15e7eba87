"""From a source to the values of a series, with everything that a hostile file could do bounded."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlplug_series.delimited import read_delimited
from tlplug_series.formats import MAX_BYTES, MAX_VALUES
from tlplug_series.npy import MAGIC, read_array
from tlplug_series.values import SeriesError, as_series, check_values

if TYPE_CHECKING:
    import numpy as np

_ITEM = 16
"""Bytes of the largest number that NumPy has."""


def read(source: Any) -> np.ndarray:
    """Return the values of a source as float64 ``[time, channels]``, NaN where one is missing.

    Args:
        source: the path of a delimited text file with one series (see `tlplug_series.delimited.read_delimited`) or of
            a ``.npy`` file, the bytes of either, or an array or list ``[time]`` or ``[time, channels]``.

    Raises:
        SeriesError: whatever is wrong with the source. Each channel has a value, and all are finite in single
            precision.

    >>> read([1, 2, 3]).shape
    (3, 1)
    """
    names: tuple[str, ...] = ()
    try:
        if isinstance(source, str | Path):
            source = _read_file(Path(source))
        if isinstance(source, bytes | bytearray | memoryview):
            series, names = _decoded(bytes(source))
        else:
            series = as_series(source)
    except MemoryError as error:
        raise SeriesError("The series needs more memory than there is.") from error
    check_values(series, names)
    return series


def _read_file(path: Path) -> bytes:
    from tlplug import read_source  # here, as the rest travels with exports and does without

    try:
        return read_source(path, MAX_BYTES)
    except ValueError as error:
        raise SeriesError(str(error)) from error


def _decoded(data: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    if len(data) > MAX_BYTES:
        raise SeriesError(f"The file has more than {MAX_BYTES:,} bytes.")
    if not data:
        raise SeriesError("The file is empty.")
    if data.startswith(MAGIC):
        return as_series(read_array(io.BytesIO(data), len(data), MAX_VALUES * _ITEM)), ()
    return read_delimited(data)
