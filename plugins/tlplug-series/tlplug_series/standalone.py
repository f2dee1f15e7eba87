"""Reads series and prepares them as in training. Needs numpy."""

from pathlib import Path

from tlplug_series import source as sources
from tlplug_series.formats import MAX_BYTES
from tlplug_series.series import make


def read(source, about):
    """Return a series, float64 [time, channels], NaN where a value is missing.

    The source is a .npy or CSV file (a row a step, a column a channel, header optional), its bytes, or an array [time]
    or [time, channels].
    """
    if isinstance(source, (str, Path)):
        if Path(source).exists() and not Path(source).is_file():
            raise ValueError("It is not a regular file.")
        with Path(source).open("rb") as file:
            source = file.read(MAX_BYTES + 1)
    return sources.read(source)


def prepare(raw, about):
    """Return {"series": float32 [1, length, channels]}."""
    return {"series": make(about["preprocess"]["options"], {})(raw)["series"][None]}
