"""The preprocess of time series: whatever holds one becomes steps by channels of the length that a network takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlplug_series.source import read
from tlplug_series.values import SeriesError

if TYPE_CHECKING:
    import numpy as np

FIT = ("resample", "pad")
MISSING = ("interpolate", "refuse")

CONSTANT = "constant"
FILLED = "missing values filled in"


def make(options: Mapping[str, Any], files: Mapping[str, Path]) -> Callable[[Any], dict[str, Any]]:  # noqa: ARG001
    """Make the function that turns a source into the input of a network.

    The policy:

    - Values stay as they are; networks normalise or scale inside.
    - With ``fit=resample`` the whole series is interpolated linearly to the network's length, its first and last step
      kept. With ``fit=pad`` every step stays: a longer series is cut to its last steps, with a remark, and a shorter
      one is filled up with NaN before its first step, where NaN means that there is no step. A network without a
      length gets every series as long as it is.
    - With ``missing=interpolate`` a missing value becomes the linear interpolation of its channel's neighbours, or the
      nearest value at both ends, with a remark. With ``missing=refuse`` a series that misses one is refused. A channel
      without any value is refused in either case.
    - Infinite values, values that single precision cannot hold, another number of channels than the network's and
      series without steps are refused. A series that never changes is used, with a remark.

    Args:
        options: ``input_shape``, the network's ``(length or None, channels)``, ``fit`` and ``missing``.
        files: nothing.

    Returns:
        A function of one source, see `tlplug_series.source.read`, that returns ``{"series": float32 [length,
        channels]}``, and a ``remark`` where something is remarkable. It raises `ValueError` with one line for what it
        cannot read, and may be called from several threads.

    Raises:
        ValueError: the network takes no series.
    """
    length, channels = checked_shape(options.get("input_shape"))
    fit, missing = options.get("fit", FIT[0]), options.get("missing", MISSING[0])

    def preprocess(source: Any) -> dict[str, Any]:
        import numpy as np

        series = read(source)
        if series.shape[1] != channels:
            raise SeriesError(_other_channels(series.shape, channels))
        series, filled = _complete(series, missing)
        remarks = [FILLED] if filled else []
        if (series == series[0]).all():
            remarks.append(CONSTANT)
        if length is not None and fit == "pad":
            if len(series) > length:
                remarks.append(f"longer than {length:,} steps, only the last ones are used")
            series = _padded(series, length)
        elif length is not None:
            series = _resampled(series, length)
        arrays: dict[str, Any] = {"series": np.ascontiguousarray(series, np.float32)}
        return arrays | {"remark": "; ".join(remarks)} if remarks else arrays

    return preprocess


def suggest(source: Any) -> dict[str, int]:
    """Return how many channels a network for this source needs.

    Raises:
        ValueError: the source cannot be read; one line.

    >>> suggest([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    {'channels': 2}
    """
    return {"channels": int(read(source).shape[1])}


def checked_shape(shape: Any) -> tuple[int | None, int]:
    """Return the length that a network takes, None for any, and its channels.

    Raises:
        ValueError: it takes no series.

    >>> checked_shape((512, 1))
    (512, 1)
    """
    if shape is not None and len(shape) == 2:
        length, channels = shape
        if channels is not None and channels > 0 and (length is None or length > 0):
            return length, channels
    raise ValueError(f"A series needs an input shape (length, channels). Received: {shape}.")


def _other_channels(shape: tuple[int, ...], channels: int) -> str:
    hint = " Is a row a series? A table of many needs a column 'id' or 'label'." if shape[1] > 20 * channels else ""
    return (
        f"The series has {_channels(shape[1])} and {shape[0]:,} steps. Valid: {_channels(channels)}, as the network "
        f"was built for.{hint}"
    )


def _channels(count: int) -> str:
    return f"{count:,} channel" + ("" if count == 1 else "s")


def _complete(series: np.ndarray, missing: str) -> tuple[np.ndarray, bool]:
    """Fill in what is missing, or refuse it."""
    import numpy as np

    gaps = np.isnan(series)
    if not gaps.any():
        return series, False
    if missing == "refuse":
        step, channel = np.argwhere(gaps)[0]
        raise SeriesError(
            f"Step {step + 1:,} of channel {channel + 1} is missing, {int(gaps.sum()):,} values in all. "
            "To have them filled in: --set preprocess.missing=interpolate"
        )
    steps, series = np.arange(len(series)), series.copy()
    for channel in np.flatnonzero(gaps.any(axis=0)):
        there = ~gaps[:, channel]
        series[~there, channel] = np.interp(steps[~there], steps[there], series[there, channel])
    return series, True


def _padded(series: np.ndarray, length: int) -> np.ndarray:
    import numpy as np

    return np.pad(series[-length:], ((max(0, length - len(series)), 0), (0, 0)), constant_values=np.nan)


def _resampled(series: np.ndarray, length: int) -> np.ndarray:
    import numpy as np

    if len(series) == length:
        return series
    steps, places = np.arange(len(series)), np.linspace(0, len(series) - 1, length)
    return np.stack([np.interp(places, steps, channel) for channel in series.T], axis=1)
