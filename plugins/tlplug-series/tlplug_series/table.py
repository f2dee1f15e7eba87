"""The reader of one CSV file with many series: wide, a row a series, or long, a row a step."""

from __future__ import annotations

import contextlib
import csv
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
WIDE, LONG = "wide", "long"

_DELIMITERS = ",;\t|"
_SNIFFED = 100
"""Rows that are looked at."""

Row = tuple[int, list[str]]
"""The line that a row ends on, and its cells."""


@dataclass(frozen=True)
class Columns:
    """Where in a row is what.

    Attributes:
        names: of all columns.
        values: positions of the steps of a wide table, of the channels of a long one.
        label, id, time, split: positions; None where there is no such column.
    """

    names: Sequence[str]
    values: Sequence[int]
    label: int | None
    id: int | None
    time: int | None
    split: int | None


def sniff(path: Path) -> float:
    """Say how sure it is that `path` is a table of series: a column of labels or ids, and numbers in all others.

    A column of times without one of ids must be explained: it is not sure, but sure enough to say what to state.
    Where neither labels nor ids are found by name, and most columns are numbers, it may be one.
    """
    from tlplug import DataError

    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return 0.0
    for encoding in ("utf-8", "latin-1"):  # where it is neither, the reader says so
        try:
            header, rows = _opened(path, encoding)
            first = list(itertools.islice(rows, _SNIFFED))
            places = _places(path, header, {"layout": WIDE})
            long = places["time"] is not None or _repeats(first, places["id"])
            columns = _columns(path, header, places, long=long)
        except DataError:
            continue
        seen = [row for _, row in first if len(row) == len(header)]
        if columns.label is None and columns.id is None:
            count = sum(_are_numbers(seen, [column]) for column in columns.values)
            return 0.1 if count >= 2 and 2 * count > len(columns.values) else 0.0
        if not _are_numbers(seen, columns.values):
            return 0.0
        return 0.3 if columns.id is None and places["time"] is not None else 0.7
    return 0.0


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


def follow(path: Path, options: Mapping[str, Any], earlier: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options to read a table with like an earlier one: by the same columns, where it has them.

    Raises:
        UsageError, DataError: as `read`.
    """
    header, rows = _opened(path, options.get("encoding") or "utf-8")
    rows.close()
    free = set(header) - set(options.values())
    known = {name: earlier[name] for name in ("label", "id", "time") if earlier.get(name) in free}
    layout = options.get("layout") or earlier.get("layout")
    places = _places(path, header, {**known, "layout": layout, **options})
    columns = {name: None if places[name] is None else header[places[name]] for name in ("label", "id", "time")}
    return {**columns, "layout": layout}


def read(path: Path, options: Mapping[str, Any]) -> Iterator[Example]:
    """Yield the examples of a table.

    A long table has a column of ids, and some id comes back while its other columns are not just counted, such as 0, 1,
    2; ``layout`` settles it. Its steps are sorted by time where there is such a column,
    its other columns are the channels, and label and split are the same throughout a series. Every other table is wide:
    its other columns are the steps in their order, and empty cells at the end mean that a series is shorter.

    Args:
        path: a ``.csv`` or ``.tsv`` file with a header; the delimiter is ``,``, ``;``, ``|`` or a tab.
        options: ``label``, ``id`` and ``time``, the names of columns, found by their names when None; ``layout``,
            ``wide`` or ``long``, found as said when None; ``encoding``.

    Raises:
        UsageError: a column that does not exist, or columns that cannot be guessed.
        DataError: no header, no rows, or text that cannot be read.
    """
    from tlplug import UsageError

    encoding = options.get("encoding") or "utf-8"
    header, rows = _opened(path, encoding)
    places = _places(path, header, options)
    with contextlib.closing(rows):
        guessed = not _are_counted(header, places) and _repeats(rows, places["id"])
    layout = options.get("layout")
    long = layout == LONG if layout else guessed
    if long and places["id"] is None:
        raise UsageError(f"A long table needs a column of ids. Received: {_some(header)}. State it: reader.id=COLUMN.")
    columns = _columns(path, header, places, long=long)
    yield from (_long if long else _wide)(path, columns, _opened(path, encoding)[1])


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
        series = found.get(which) or found.setdefault(which, Series())
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


def _places(path: Path, header: Sequence[str], options: Mapping[str, Any]) -> dict[str, int | None]:
    """The positions of the columns for label, id and time: as stated, else by their names."""
    from tlplug import DataError, UsageError

    names = [name.lower() for name in header]
    places: dict[str, int | None] = {}
    for role, usual in (("label", LABELS), ("id", IDS), ("time", TIMES)):
        stated = options.get(role)
        if stated and stated not in header:
            raise UsageError(f"{str(path)!r} has no column {stated!r} for reader.{role}. Valid: {_some(header)}.")
        place = header.index(stated) if stated else next((names.index(name) for name in usual if name in names), None)
        places[role] = None if place in places.values() else place
        if place is not None and header.count(header[place]) > 1:
            raise DataError(f"{str(path)!r} has more than one column {header[place]!r}. Rename all but one.")
    if places["id"] is None and places["time"] is not None and options.get("layout") != WIDE:
        raise UsageError(
            f"Which rows of {str(path)!r} are one series cannot be told: it has a column {header[places['time']]!r} "
            "and none of ids. State it: --set reader.id=COLUMN; where a row is a series: "
            "--set reader.layout=wide"
        )
    return places


def _columns(path: Path, header: Sequence[str], places: Mapping[str, int | None], *, long: bool) -> Columns:
    from tlplug import DataError

    names = [name.lower() for name in header]
    split = names.index(SPLIT) if SPLIT in names else None
    indexes = [column for column, name in enumerate(names) if name in INDEXES and column not in places.values()]
    taken = {*places.values(), split, *indexes}
    values = [column for column in range(len(header)) if column not in taken]
    if not values or (not long and len(values) < 2):
        raise DataError(f"{str(path)!r} has no columns of values. Received: {_some(header)}.")
    time = places["time"] if places["time"] is not None else next(iter(indexes), None)
    return Columns(header, values, places["label"], places["id"], time, split)


def _some(names: Sequence[str]) -> str:
    return ", ".join(f"{name:.40}" for name in names[:20]) + (", ..." if len(names) > 20 else "")


def _are_counted(header: Sequence[str], places: Mapping[str, int | None]) -> bool:
    names = [name for column, name in enumerate(header) if column not in places.values()]
    return all(name.isdecimal() for name in names if name.lower() not in (SPLIT, *INDEXES))


def _repeats(rows: Iterable[Row], column: int | None) -> bool:
    """Whether an id comes back, so that a row is a step."""
    seen: set[str] = set()
    for _, cells in rows if column is not None else ():
        which = cells[column].strip() if column < len(cells) else ""
        if which in seen:
            return True
        if which:
            seen.add(which)
    return False


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
