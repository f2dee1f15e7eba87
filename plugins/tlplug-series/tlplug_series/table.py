"""The reader of one CSV file with many series: wide, a row a series, or long, a row a step."""

from __future__ import annotations

import contextlib
import csv
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlplug_series.examples import SPLITS, UNKNOWN, example, problem
from tlplug_series.formats import INDEXES, LABELS, TIMES
from tlplug_series.lines import read_lines
from tlplug_series.steps import Series
from tlplug_series.values import MISSING, CellError, is_number, numbers

if TYPE_CHECKING:
    from tlplug import Example

SUFFIXES = (".csv", ".tsv")

IDS = ("id", "series_id", "series", "case_id", "case")
"""Names of columns that say which series a row is of, in lower case."""

SPLIT = "split"

_DELIMITERS = ",;\t|"
_FIRST, _FIRST_CELLS = 1000, 1 << 20
"""Rows that tell whether a table is long, and cells in them, at most."""

_SNIFFED = 100
"""Rows whose cells are looked at."""

Row = tuple[int, list[str]]
"""The line that a row ends on, and its cells."""


@dataclass(frozen=True)
class Columns:
    """Where in a row is what.

    Attributes:
        names: of all columns.
        values: positions of the steps of a wide table, of the channels of a long one.
        label, id, time, split: positions; None where there is no such column.
        long: whether a row is a step.
    """

    names: Sequence[str]
    values: Sequence[int]
    label: int | None
    id: int | None
    time: int | None
    split: int | None
    long: bool


def sniff(path: Path) -> float:
    """Say how sure it is that `path` is a table of series: a column of labels or ids, and numbers in all others."""
    from tlplug import DataError, UsageError

    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return 0.0
    try:
        header, rows = _opened(path, "utf-8")
        first = _first(rows)
        columns = _columns(path, header, first, {})
    except (DataError, UsageError):
        return 0.0
    rows_seen = [row for _, row in first[:_SNIFFED] if len(row) == len(header)]
    plain = columns.label is not None or columns.id is not None
    return 0.7 if plain and _are_numbers(rows_seen, columns.values) else 0.0


def _are_numbers(rows: Sequence[Sequence[str]], columns: Sequence[int]) -> bool:
    """Whether there are numbers, and no column has more of anything else: one bad cell makes no text of a series."""
    found = 0
    for column in columns:
        cells = [row[column] for row in rows if row[column].strip().lower() not in MISSING]
        good = sum(map(is_number, cells))
        if 2 * good < len(cells):
            return False
        found += good
    return found > 0


def read(path: Path, options: Mapping[str, Any]) -> Iterator[Example]:
    """Yield the examples of a table.

    A long table has a column of ids that come back, or one of ids and one of times; its steps are sorted by time, its
    other columns are the channels, and label and split are the same throughout a series. Every other table is wide: its
    other columns are the steps in their order, and empty cells at the end mean that a series is shorter.

    Args:
        path: a ``.csv`` or ``.tsv`` file with a header; the delimiter is ``,``, ``;``, ``|`` or a tab.
        options: ``label``, ``id`` and ``time``, the names of columns, found by their names when None; ``encoding``.

    Raises:
        UsageError: a column that does not exist, or columns that cannot be guessed.
        DataError: no header, no rows, or text that cannot be read.
    """
    header, rows = _opened(path, options.get("encoding") or "utf-8")
    first = _first(rows)
    columns = _columns(path, header, first, options)
    read_rows = _long if columns.long else _wide
    yield from read_rows(path, columns, itertools.chain(first, rows))


def _wide(path: Path, columns: Columns, rows: Iterator[Row]) -> Iterator[Example]:
    for line, cells in rows:
        name = f"{path}:{line}"
        if len(cells) != len(columns.names):
            yield problem(f"it has {len(cells):,} cells, the header {len(columns.names):,}", name=name)
            continue
        label, split = _cell(cells, columns.label), _cell(cells, columns.split).lower()
        if split and split not in SPLITS:
            yield problem(f"its {SPLIT!r} is {split!r}, not train, validation or test", label, name=name)
            continue
        try:
            values = numbers(cells[column] for column in columns.values)
        except CellError as error:
            column = columns.names[columns.values[error.position]]
            yield problem(f"column {column!r}: {error}", label, name=name, split=SPLITS.get(split))
            continue
        yield example(values, label, name=name, split=SPLITS.get(split), trim=True)


def _long(path: Path, columns: Columns, rows: Iterator[Row]) -> Iterator[Example]:
    found: dict[str, Series] = {}
    for line, cells in rows:
        if len(cells) != len(columns.names):
            yield problem(f"it has {len(cells):,} cells, the header {len(columns.names):,}", name=f"{path}:{line}")
            continue
        which = _cell(cells, columns.id)
        if not which:
            yield problem(f"its {columns.names[columns.id or 0]!r} is empty", name=f"{path}:{line}")
            continue
        label, split = _cell(cells, columns.label), _cell(cells, columns.split).lower()
        series = found.setdefault(which, Series())
        if split and split not in SPLITS:
            series.refuse(f"line {line:,}: its {SPLIT!r} is {split!r}, not train, validation or test")
        elif not series.state(label, split):
            series.refuse(f"line {line:,}: its label or split is another than in the rows before")
        try:
            series.add(None if columns.time is None else cells[columns.time], [cells[c] for c in columns.values])
        except CellError as error:
            column = columns.names[columns.values[error.position]]
            series.refuse(f"line {line:,}, column {column!r}: {error}")
    for which in list(found):
        yield found.pop(which).example(f"{path}:{which}")


def _cell(cells: Sequence[str], column: int | None) -> str:
    said = "" if column is None else cells[column].strip()
    return "" if said == UNKNOWN else said


def _columns(path: Path, header: Sequence[str], first: Sequence[Row], options: Mapping[str, Any]) -> Columns:
    from tlplug import DataError, UsageError

    names = [name.strip().lower() for name in header]
    places: dict[str, int | None] = {}
    for role, usual in (("label", LABELS), ("id", IDS), ("time", TIMES)):
        stated = options.get(role)
        if stated and stated not in header:
            raise UsageError(f"{str(path)!r} has no column {stated!r} for reader.{role}. Valid: {_some(header)}.")
        place = header.index(stated) if stated else next((names.index(name) for name in usual if name in names), None)
        places[role] = None if place in places.values() else place
        if place is not None and (header.count(header[place]) > 1):
            raise DataError(f"{str(path)!r} has more than one column {header[place]!r}. Rename all but one.")
    split = names.index(SPLIT) if SPLIT in names else None
    indexes = [column for column, name in enumerate(names) if name in INDEXES and column not in places.values()]
    taken = {*places.values(), split, *indexes}
    values = [column for column in range(len(header)) if column not in taken]
    repeated = _repeats(first, places["id"])
    if places["id"] is None and places["time"] is not None:
        raise UsageError(
            f"Which rows of {str(path)!r} are one series cannot be told: it has a column {header[places['time']]!r} "
            "and none of ids. State it: --reader series-table --set reader.id=COLUMN; where a row is a series, "
            "remove or rename that column."
        )
    long = places["id"] is not None and (places["time"] is not None or repeated)
    if not values or (not long and len(values) < 2):
        raise DataError(f"{str(path)!r} has no columns of values. Received: {_some(header)}.")
    if long and places["time"] is None and indexes:
        places["time"] = indexes[0]
    return Columns(header, values, places["label"], places["id"], places["time"], split, long)


def _some(names: Sequence[str]) -> str:
    return ", ".join(f"{name:.40}" for name in names[:20]) + (", ..." if len(names) > 20 else "")


def _first(rows: Iterator[Row]) -> list[Row]:
    found: list[Row] = []
    count = 0
    while len(found) < _FIRST and count < _FIRST_CELLS and (row := next(rows, None)):
        found.append(row)
        count += len(row[1])
    return found


def _repeats(rows: Sequence[Row], column: int | None) -> bool:
    if column is None:
        return False
    ids = [cells[column].strip() for _, cells in rows if column < len(cells)]
    return len(set(ids)) < len(ids)


def _opened(path: Path, encoding: str) -> tuple[list[str], Iterator[Row]]:
    """Return the names of the columns, and the rows below them."""
    from tlplug import DataError

    with contextlib.closing(read_lines(path, encoding)) as lines:
        start = next((line for line in lines if line.strip()), "")
    rows = _rows(path, encoding, max(_DELIMITERS, key=start.count))
    header = [" ".join(name.split()) for name in next(rows, (0, []))[1]]
    if not header:
        raise DataError(f"{str(path)!r} is empty. Valid: a header with the names of the columns, then the rows.")
    if all(map(is_number, header)):
        raise DataError(f"{str(path)!r} has no header. Valid: names of the columns in the first line.")
    return header, rows


def _rows(path: Path, encoding: str, delimiter: str) -> Iterator[Row]:
    from tlplug import DataError

    reader = csv.reader(read_lines(path, encoding), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise DataError(f"{str(path)!r} cannot be read from line {reader.line_num:,} on: {error}.") from error
