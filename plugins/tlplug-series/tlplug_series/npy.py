"""NumPy's file format: the header is checked before an array is made of the rest."""

from __future__ import annotations

import math
from typing import IO, TYPE_CHECKING, Any

from tlplug_series.values import SeriesError

if TYPE_CHECKING:
    import numpy as np

MAGIC = b"\x93NUMPY"


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return the shape and type that a ``.npy`` file states, and leave `file` where its values begin.

    Raises:
        SeriesError: it is no such file, or one of Python objects, which are never loaded.
    """
    from numpy.lib import format as npy

    try:
        version = npy.read_magic(file)
        if version == (1, 0):
            shape, _, dtype = npy.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, _, dtype = npy.read_array_header_2_0(file)
        else:  # what NumPy writes for names of fields beyond Latin-1
            raise SeriesError(f"The file has version {version[0]}.{version[1]} of NumPy's format. Valid: 1.0 and 2.0.")
    except SeriesError:
        raise
    except Exception as error:  # whatever a header makes Python's parser say
        raise SeriesError("It is no NumPy file, or a damaged one: its header cannot be read.") from error
    if dtype.hasobject:
        raise SeriesError("It holds Python objects, which are never loaded. Valid: an array of numbers.")
    if min(shape, default=0) < 0:
        raise SeriesError(f"It is a damaged NumPy file: its shape is {list(shape)}.")
    return shape, dtype


def read_array(file: IO[bytes], size: int, limit: int) -> np.ndarray:
    """Read a ``.npy`` file.

    Args:
        file: that can be sought.
        size: of the file, as far as known, in bytes.
        limit: of the values, in bytes.

    Raises:
        SeriesError: it is none, is cut off, holds Python objects, or is larger than the limit.
    """
    import numpy as np

    shape, dtype = read_header(file)
    needed = math.prod(shape) * dtype.itemsize
    if not dtype.itemsize:
        raise SeriesError(f"Its values of type {dtype} take no space.")
    if needed > limit:
        raise SeriesError(f"Its array of {dtype} {list(shape)} takes {needed:,} bytes. Valid: at most {limit:,}.")
    if needed > size - file.tell():
        raise SeriesError(
            f"It is cut off: its array takes {needed:,} bytes, and the file has {max(0, size - file.tell()):,}."
        )
    file.seek(0)
    try:
        return np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, TypeError, EOFError) as error:
        raise SeriesError("It is a damaged NumPy file: its values cannot be read.") from error
