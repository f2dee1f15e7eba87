"""One series in a delimited text file: a row a step, a column a channel."""

from __future__ import annotations

import csv
import io
import itertools
import re
from array import array
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tlplug_series.formats import INDEXES, LABELS, TIMES
from tlplug_series.values import CellError, SeriesError, check_size, is_number, number, numbers

if TYPE_CHECKING:
    import numpy as np

_MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))
_INTEGER = re.compile(r"\s*\d+\s*")

_NAME = 40
"""Characters of a name that messages show."""

Row = tuple[int, list[str]]
"""The number of a line, from 1, and its cells."""


def read_delimited(data: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read the text of a file with one series.

    The delimiter is what the first line has: a tab, a semicolon, a comma, else white space. A header is optional.
    Columns named time, timestamp, date, datetime, t or index, or without a name, are left out; the steps stay in the
    order of the rows. Empty lines are passed over.

    Args:
        data: text in ASCII, UTF-8 or, with a byte order mark, UTF-16; the names of columns may be in any encoding.

    Returns:
        The values, float64 ``[time, channels]``, NaN where a cell is empty, ``NaN``, ``NA``, ``N/A``, ``null``,
        ``none`` or ``?``, and the names of the channels, none without a header.

    Raises:
        SeriesError: it is empty, no text, not a table of numbers, has a column with labels, or is too large.

    >>> read_delimited(b"time,x\\n0,1.5\\n1,\\n")[0].tolist()
    [[1.5], [nan]]
    """
    import numpy as np

    rows = _rows(_text(data))
    first = next(rows, None)
    if first is None:
        raise SeriesError("The file is empty.")
    header = [" ".join(cell.split())[:_NAME] for cell in first[1]] if _is_header(first[1]) else []
    kept = _channels(header) if header else list(range(len(first[1])))
    check_size(1, len(kept))
    width, values = len(first[1]), array("d")
    for line, cells in rows if header else itertools.chain([first], rows):
        if len(cells) != width:
            raise SeriesError(f"Line {line:,} has {len(cells):,} values, the first {width:,}.")
        try:
            values.extend(numbers(cells[column] for column in kept))
        except CellError as error:
            column = kept[error.position]
            called = f" ({header[column]})" if header else ""
            raise SeriesError(f"Line {line:,}, column {column + 1}{called}: {error}.") from error
        check_size(len(values) // len(kept), len(kept))
    if not values:
        raise SeriesError("The file has a header and no steps.")
    return np.array(values).reshape(-1, len(kept)), tuple(header[column] for column in kept) if header else ()


def _text(data: bytes) -> str:
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        if encoding == "utf-16":
            raise SeriesError("It is no text file: it is not the UTF-16 that its byte order mark says.") from None
        text = data.decode("latin-1")  # numbers are ASCII in nearly every encoding; only names suffer
    if (position := text.find("\0")) >= 0:
        raise SeriesError(f"It is no text file: character {position + 1:,} is NUL.")
    return text


def _rows(text: str) -> Iterator[Row]:
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


def _is_header(cells: Sequence[str]) -> bool:
    """Whether these are names: one is no number, and those that are numbers count, such as 0, 1, 2."""
    words = [cell for cell in cells if not is_number(cell)]
    return bool(words) and all(_is_name(cell) for cell in cells)


def _is_name(cell: str) -> bool:
    return not is_number(cell) or number(cell) != number(cell) or bool(_INTEGER.fullmatch(cell))


def _channels(header: Sequence[str]) -> list[int]:
    names = [name.lower() for name in header]
    for name in names:
        if name in LABELS:
            raise SeriesError(
                f"It has a column {name!r}, which is no channel but would give the answer away. Remove it; rename it "
                "where it is a channel. (A table of many series needs a column of their ids, too.)"
            )
    kept = [column for column, name in enumerate(names) if name not in (*TIMES, *INDEXES)]
    if not kept:
        raise SeriesError(f"It has no channel. Received the columns: {', '.join(header[:20])}.")
    return kept
