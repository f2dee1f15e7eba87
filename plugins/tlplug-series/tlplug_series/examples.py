"""From what a reader found to an example, or to the reason why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlplug_series.values import SeriesError, as_series, check_values

if TYPE_CHECKING:
    import numpy as np

    from tlplug import Example

SPLITS = {"train": "train", "training": "train", "val": "validation", "valid": "validation", "dev": "validation"}
SPLITS |= {"validation": "validation", "test": "test", "testing": "test"}
"""What columns and names call the parts, in lower case."""

UNKNOWN = "?"
"""How these formats write a class that nobody has stated."""


def example(values: Any, label: str | None, *, name: str, split: str | None = None, trim: bool = False) -> Example:
    """Make the example of one series, with a problem where its values are none of a series.

    Args:
        values: real numbers, ``[time]`` or ``[time, channels]``, NaN where one is missing.
        label: None or empty where there is none.
        name: how to call it, such as ``GunPoint_TRAIN.ts:17``.
        split: ``train``, ``validation`` or ``test``.
        trim: whether missing values at the end mean that the series is shorter than others, as in formats that have no
            other way to say so.

    Returns:
        An example whose source is float32 ``[time, channels]``, the same for the same series in whatever format.
    """
    import numpy as np

    from tlplug import Example

    label = (label or "").strip()
    label = None if label in ("", UNKNOWN) else label
    try:
        series = as_series(np.asarray(values))
        if trim:
            series = _trimmed(series)
        check_values(series)
    except SeriesError as error:
        return problem(str(error), label, name=name, split=split)
    return Example(source=series.astype(np.float32), label=label, name=name, split=split)


def problem(reason: str, label: str | None = None, *, name: str, split: str | None = None) -> Example:
    """Make the example of what cannot be given, and why: a part of a sentence, without a full stop."""
    from tlplug import Example

    return Example(source="", label=label or None, name=name, split=split, problem=reason.removesuffix("."))


def _trimmed(series: np.ndarray) -> np.ndarray:
    import numpy as np

    steps = np.flatnonzero(~np.isnan(series).all(axis=1))
    return series[: steps[-1] + 1] if len(steps) else series
