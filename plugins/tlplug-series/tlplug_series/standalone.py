"""Reads series and prepares them as in training. Needs numpy."""

import csv
import io
from pathlib import Path

import numpy as np

MISSING = ("", "?", "nan", "na", "n/a", "null", "none")
NO_CHANNELS = ("time", "timestamp", "date", "datetime", "t", "index", "unnamed: 0", "")


def read(source, about):
    """Return a series, float64 [time, channels], NaN where a value is missing.

    The source is a .npy or CSV file (a row a step, a column a channel, header optional), its bytes, or an array [time]
    or [time, channels].
    """
    if isinstance(source, (str, Path)):
        source = Path(source).read_bytes()
    if isinstance(source, bytes):
        source = np.load(io.BytesIO(source), allow_pickle=False) if source.startswith(b"\x93NUMPY") else _table(source)
    series = np.asarray(source, np.float64)
    return series.reshape(len(series), -1)


def prepare(raw, about):
    """Return {"series": float32 [1, length, channels]}."""
    options = about["preprocess"]["options"]
    length, channels = options["input_shape"]
    if raw.shape[1] != channels:
        raise ValueError(f"The series has {raw.shape[1]} channels. Valid: {channels}.")
    gaps, series = np.isnan(raw), raw.copy()
    if gaps.any() and (options["missing"] == "refuse" or gaps.all(axis=0).any()):
        raise ValueError(f"The series misses {gaps.sum()} values.")
    for values, gap in zip(series.T, gaps.T, strict=True):
        if gap.any():
            values[gap] = np.interp(np.flatnonzero(gap), np.flatnonzero(~gap), values[~gap])
    if length is not None and options["fit"] == "pad":
        series = series[-length:]
        series = np.pad(series, ((length - len(series), 0), (0, 0)), constant_values=np.nan)
    elif length is not None and len(series) != length:
        places = np.linspace(0, len(series) - 1, length)
        series = np.stack([np.interp(places, np.arange(len(series)), values) for values in series.T], axis=1)
    return {"series": series.astype(np.float32)[None]}


def _table(data):
    """Return the numbers of a delimited text, [rows, columns], without columns of times."""
    lines = [line for line in data.decode("utf-8-sig", "replace").splitlines() if line.strip()]
    mark = next((mark for mark in "\t;," if mark in lines[0]), None)
    rows = [line.split() for line in lines] if mark is None else list(csv.reader(lines, delimiter=mark))
    names = [" ".join(cell.split()).lower() for cell in rows[0]]
    header = any(not _is_number(name) for name in names)
    kept = [place for place, name in enumerate(names) if not (header and name in NO_CHANNELS)]
    return np.array([[_number(row[place]) for place in kept] for row in rows[header:]])


def _is_number(cell):
    try:
        _number(cell)
    except ValueError:
        return False
    return True


def _number(cell):
    return float("nan") if cell.strip().lower() in MISSING else float(cell)
