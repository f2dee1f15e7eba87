"""The values of a series: cells of text to numbers, and what every series must be."""

from __future__ import annotations

import contextlib
import re
from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from tlplug_series.formats import MAX_CHANNELS, MAX_STEPS, MAX_VALUES

if TYPE_CHECKING:
    import numpy as np

MISSING = frozenset({"", "?", "nan", "na", "n/a", "null", "none"})
"""How files write a value that is not there, in lower case."""

_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")
_SHOWN = 40


class SeriesError(ValueError):
    """A source that is no series, or none that can be used; the message says why in one line."""


class CellError(SeriesError):
    """A cell that is no number.

    Attributes:
        position: of the cell in its row, from 0.
    """

    def __init__(self, position: int, cell: str) -> None:
        self.position = position
        self.cell = cell
        hint = ", write decimals with a point" if _DECIMAL_COMMA.fullmatch(cell.strip()) else ""
        super().__init__(f"{cell[:_SHOWN]!r} is no number{hint}")


def number(cell: str) -> float:
    """Return the number in a cell, NaN for one that is missing.

    Raises:
        ValueError: it is neither.

    >>> number(" 2.5e3"), number("?")
    (2500.0, nan)
    """
    try:
        value = float(cell)
    except ValueError:
        if cell.strip().lower() in MISSING:
            return float("nan")
        raise
    if "_" in cell:  # which Python allows between digits
        raise ValueError(cell)
    return value


def is_number(cell: str) -> bool:
    """Whether a cell holds a number or says that one is missing."""
    try:
        number(cell)
    except ValueError:
        return False
    return True


def numbers(cells: Iterable[str]) -> array[float]:
    """Return the numbers of some cells, NaN where they are missing.

    Raises:
        CellError: one is neither.
    """
    cells = list(cells)
    if "_" not in "".join(cells):
        with contextlib.suppress(ValueError):
            return array("d", map(float, cells))  # the usual case, fast
    found = array("d")
    for position, cell in enumerate(cells):
        try:
            found.append(number(cell))
        except ValueError:
            raise CellError(position, cell) from None
    return found


def check_size(steps: int, channels: int) -> None:
    """Refuse a series that is too large, before anything is made of it."""
    if channels > MAX_CHANNELS:
        raise SeriesError(
            f"The series has {channels:,} channels. Valid: at most {MAX_CHANNELS:,}; an array is [time, channels]."
        )
    if steps > MAX_STEPS or steps * channels > MAX_VALUES:
        raise SeriesError(
            f"The series has {steps:,} steps of {channels:,} channels. Valid: at most {MAX_STEPS:,} steps and "
            f"{MAX_VALUES:,} values."
        )


def as_series(values: Any) -> np.ndarray:
    """Return numbers as float64 ``[time, channels]``; NaN is a value that is missing.

    Args:
        values: a NumPy array or (nested) lists, ``[time]`` or ``[time, channels]``, real numbers. Which axis is time
            is not guessed. What a masked array masks is missing.

    Raises:
        SeriesError: it is anything else, empty, or too large.
    """
    import numpy as np

    if isinstance(values, list | tuple):
        check_size(len(values), 1)
        try:
            values = np.asarray(values)
        except (ValueError, TypeError, OverflowError):
            raise SeriesError("The rows of the list do not have the same number of values.") from None
    if not isinstance(values, np.ndarray):
        raise SeriesError(
            f"A series is a path, the bytes of a file, a NumPy array or a list. Received: {type(values).__name__}."
        )
    if values.dtype.kind not in "biuf" or values.ndim not in (1, 2):
        raise SeriesError(
            "A series is an array of real numbers [time] or [time, channels]. "
            f"Received: {values.dtype} {list(values.shape)}."
        )
    if not values.size:
        raise SeriesError("The series is empty.")
    check_size(*values.shape, *(1,) * (2 - values.ndim))
    if isinstance(values, np.ma.MaskedArray):
        values = values.astype(np.float64).filled(np.nan)
    return np.asarray(values, np.float64).reshape(len(values), -1)


def check_values(series: np.ndarray, names: Sequence[str] = ()) -> None:
    """Refuse values that are no finite float32, and channels without any value.

    Args:
        series: float64 ``[time, channels]``, NaN where a value is missing.
        names: of the channels.
    """
    import numpy as np

    def place(mask: np.ndarray) -> str:
        step, channel = np.unravel_index(int(mask.argmax()), mask.shape)
        return f"Step {step + 1:,} of {_channel(int(channel), names)}"

    if (infinite := np.isinf(series)).any():
        raise SeriesError(f"{place(infinite)} is infinite.")
    with np.errstate(invalid="ignore"):
        large = np.abs(series) > np.finfo(np.float32).max
    if large.any():
        raise SeriesError(f"{place(large)} is beyond 3.4e38, which single precision cannot hold.")
    if (empty := np.isnan(series).all(axis=0)).any():
        if empty.all():
            raise SeriesError("The series has no value, all are missing.")
        raise SeriesError(f"C{_channel(int(empty.argmax()), names)[1:]} has no value, all are missing.")


def _channel(position: int, names: Sequence[str]) -> str:
    return f"channel {position + 1}" + (f" ({names[position]})" if names else "")
