"""Reads series and prepares them as in training. Needs numpy."""

import csv
import io
import itertools
import math
import re
from array import array
from pathlib import Path

import numpy as np

MISSING = ("", "?", "nan", "na", "n/a", "null", "none")
NO_CHANNELS = ("time", "timestamp", "date", "datetime", "t", "index", "unnamed: 0", "")
LABELS = ("label", "class", "category", "target")  # columns that would give the answer away
MAX_STEPS, MAX_CHANNELS, MAX_VALUES = 1 << 22, 1024, 1 << 24  # of a series
MAX_BYTES = 1 << 28  # of a file


class SeriesError(ValueError):
    """A source that is no series, or none that can be used; the message says why in one line."""


def read(source, about):
    """Return a series, float64 [time, channels], NaN where a value is missing.

    The source is a .npy or CSV file (a row a step, a column a channel, header optional), its bytes, or an array [time]
    or [time, channels].
    """
    if isinstance(source, (str, Path)):
        source = _content(Path(source))
    if isinstance(source, (bytes, bytearray, memoryview)):
        if len(source) > MAX_BYTES:
            raise SeriesError(f"The file has more than {MAX_BYTES:,} bytes.")
        source = bytes(source)
        source = _array(source) if source.startswith(b"\x93NUMPY") else _table(source)
    return _series(source)


def prepare(raw, about):
    """Return {"series": float32 [1, length, channels]}."""
    options = about["preprocess"]["options"]
    length, channels = options["input_shape"]
    if raw.shape[1] != channels:
        raise SeriesError(f"The series has {raw.shape[1]} channels. Valid: {channels}.")
    gaps, series = np.isnan(raw), raw.copy()
    if gaps.any() and (options["missing"] == "refuse" or gaps.all(axis=0).any()):
        raise SeriesError(f"The series misses {gaps.sum()} values.")
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


def _content(path):
    """Return the bytes of a file, and not more than one beyond the limit."""
    if not path.is_file():
        raise SeriesError("There is no such file." if not path.exists() else "It is not a regular file.")
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SeriesError(f"The file cannot be read: {error.strerror or error}.") from error


def _series(values):
    """Return numbers as float64 [time, channels], and refuse what no network can use."""
    if not isinstance(values, (np.ndarray, list, tuple)):
        raise SeriesError(f"A series is a path, bytes, an array or a list. Received: {type(values).__name__}.")
    try:
        values = np.asanyarray(values)
    except (ValueError, TypeError, OverflowError) as error:
        raise SeriesError("The rows of the list do not have the same number of values.") from error
    if values.dtype.kind not in "biuf" or values.ndim not in (1, 2) or not values.size:
        raise SeriesError(
            "A series is an array of real numbers [time] or [time, channels], and not empty. "
            f"Received: {values.dtype} {list(values.shape)}."
        )
    _check_size(len(values), values.size // len(values))
    if isinstance(values, np.ma.MaskedArray):
        values = values.astype(np.float64).filled(np.nan)
    series = np.asarray(values, np.float64).reshape(len(values), -1)
    with np.errstate(invalid="ignore"):
        beyond = np.abs(series) > np.finfo(np.float32).max
    if beyond.any():
        step, channel = np.argwhere(beyond)[0] + 1
        raise SeriesError(f"Step {step:,} of channel {channel} is infinite or beyond 3.4e38.")
    if (empty := np.isnan(series).all(axis=0)).any():
        raise SeriesError(f"Channel {empty.argmax() + 1} has no value, all are missing.")
    return series


def _check_size(steps, channels):
    if channels > MAX_CHANNELS or steps > MAX_STEPS or steps * channels > MAX_VALUES:
        raise SeriesError(
            f"The series has {steps:,} steps of {channels:,} channels. Valid: at most {MAX_STEPS:,} steps, "
            f"{MAX_CHANNELS:,} channels and {MAX_VALUES:,} values; an array is [time, channels]."
        )


def _array(data):
    """Return the array of a .npy file. Its header is checked first: it may promise any size."""
    file, formats = io.BytesIO(data), np.lib.format
    try:
        version = formats.read_magic(file)
        header = {(1, 0): formats.read_array_header_1_0, (2, 0): formats.read_array_header_2_0}[version]
        shape, _, dtype = header(file)
        size = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or not dtype.itemsize or dtype.hasobject or size > len(data) - file.tell():
            raise SeriesError(f"its array is {dtype} {list(shape)}")
        file.seek(0)
        return formats.read_array(file, allow_pickle=False)
    except Exception as error:  # whatever a header makes Python's parser say
        reason = " ".join(str(error).split())
        raise SeriesError(f"It is no NumPy file of numbers, or a damaged one: {reason:.200}.") from error


def _table(data):
    """Return the numbers of a delimited text, [rows, columns], without columns of times."""
    rows = _rows(_text(data))
    start, first = next(rows, (1, []))
    names = [" ".join(cell.split()).lower() for cell in first]
    header = _is_header(first)
    if header and (found := set(names) & set(LABELS)):
        raise SeriesError(f"It has a column {min(found)!r}, which is no channel. Remove it, or rename a channel.")
    kept = [place for place, name in enumerate(names) if not (header and name in NO_CHANNELS)]
    values, count = array("d"), 0
    for line, cells in rows if header else itertools.chain([(start, first)], rows):
        if len(cells) != len(first):
            raise SeriesError(f"Line {line:,} has {len(cells):,} values, the first {len(first):,}.")
        try:
            values.extend(_number(cells[place]) for place in kept)
        except ValueError as error:
            raise SeriesError(f"Line {line:,}: {error}.") from error
        _check_size(count := count + 1, len(kept))
    if not values:
        raise SeriesError("It has no steps, or no channel. Valid: a row a step, a column a channel.")
    return np.array(values).reshape(count, -1)


def _text(data):
    """Decode UTF-16 with a mark, else UTF-8, else Latin-1: numbers are ASCII in nearly every encoding."""
    marked = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = data.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        if marked:
            raise SeriesError("It is not the UTF-16 that its byte order mark says.") from error
        text = data.decode("latin-1")
    if (place := text.find("\0")) >= 0:
        raise SeriesError(f"It is no text file: character {place + 1:,} is NUL.")
    return text


def _rows(text):
    """Yield the number of each line that is not empty, and its cells."""
    lines = io.StringIO(text)
    first = next((line for line in lines if line.strip()), "")
    lines.seek(0)
    delimiter = next((mark for mark in "\t;," if mark in first), "," if '"' in first else None)
    if delimiter is None:
        yield from ((number, line.split()) for number, line in enumerate(lines, 1) if line.strip())
        return
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if len(cells) > 1 or any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise SeriesError(f"Line {reader.line_num + 1:,} cannot be read: {error}.") from error


def _is_header(cells):
    """Whether one is no number, and those that are numbers count, such as 0, 1, 2."""
    numbers = [cell for cell in cells if _is_number(cell)]
    counts = (math.isnan(_number(cell)) or re.fullmatch(r"\s*\d+\s*", cell) for cell in numbers)
    return len(numbers) < len(cells) and all(counts)


def _is_number(cell):
    try:
        _number(cell)
    except ValueError:
        return False
    return True


def _number(cell):
    """Return the number in a cell, NaN for one that is missing."""
    if cell.strip().lower() in MISSING:
        return math.nan
    try:
        if "_" not in cell:  # which Python allows between digits
            return float(cell)
    except ValueError:
        pass
    raise SeriesError(f"{cell[:40]!r} is no number. Valid: decimals with a point")
