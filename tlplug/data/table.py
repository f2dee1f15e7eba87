"""The reader of tables: a row an example, one column its input (a text or the path of a file), one its label."""

from __future__ import annotations

import codecs
import csv
import itertools
import json
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tlplug.data.modality import all_reads
from tlplug.errors import DataError, UsageError, did_you_mean
from tlplug.specs import Example

SUFFIXES = (".csv", ".tsv", ".jsonl")
INPUTS = ("input", "text", "sentence", "content", "body", "path", "file", "filename")
LABELS = ("label", "class", "category", "target")
SPLIT = "split"
"""Names of columns, in lower case, that are taken for what they say when none is stated."""

_SPLITS = {"train": "train", "training": "train", "val": "validation", "valid": "validation", "dev": "validation"}
_SPLITS |= {"validation": "validation", "test": "test", "testing": "test"}
_DELIMITERS = ",;\t|"
_FIRST = 1000
"""Rows that tell what a column holds, and lines of a ``.jsonl`` file whose keys are its columns."""

_SHOWN = 8
"""Columns that a message names."""

_LONGEST_PATH = 4096
_LONGEST = 1 << 26
"""Characters that a cell may have, and that are read again behind quotes that do not pair."""

Row = tuple[int, Mapping[str, Any] | str]
"""The number of the line that a row ends on, and its cells by column or the reason why it has none."""


def sniff(path: Path) -> float:
    """Say how sure it is that `path` is a table with an input and a label."""
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return 0.0
    try:
        columns = _columns(path, "utf-8")
        source, label = _choose(path, columns, {})
    except (DataError, UsageError):
        return 0.2
    # An only column of any name may as well be a list of numbers.
    return 0.6 if label or source.strip().lower() in INPUTS else 0.2


def follow(path: Path, options: Mapping[str, Any], earlier: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options to read a table with like an earlier one: by the same columns, where it has them.

    Raises:
        UsageError, DataError: as `read`.
    """
    columns = set(header := _columns(path, options.get("encoding") or "utf-8")) - set(options.values())
    known = {name: earlier[name] for name in ("input", "label") if earlier.get(name) in columns}
    source, label = _choose(path, header, {**known, **options})
    return {"input": source, "label": label}


def read(path: Path, options: Mapping[str, Any]) -> Iterator[Example]:
    """Yield an `Example` for every row.

    A value that is the path of a file, seen from the folder of the table, is that file. Where at least half of the
    column looks like files, a value that does is one too, there or not. Every other is a text.

    Args:
        path: a ``.csv`` or ``.tsv`` file with a header, or a ``.jsonl`` file with an object on each line.
        options: ``input`` and ``label``, the names of columns, found by their names when None; ``encoding``.

    Raises:
        UsageError: a column that does not exist, or columns that cannot be guessed.
        DataError: no header, two columns of the chosen name, or bytes that are no text.
    """
    encoding = options.get("encoding") or "utf-8"
    columns = _columns(path, encoding)
    source, label = _choose(path, columns, options)
    split = next((column for column in columns if column.lower() == SPLIT), None)
    paths = _Paths()
    named = paths.prevail(row.get(source) for _, row in _rows(path, encoding) if isinstance(row, Mapping))
    for number, row in _rows(path, encoding):
        name = f"{path}:{number}"
        if isinstance(row, str):
            yield Example(source="", name=name, problem=row)
            continue
        value, said = row.get(source), row.get(label) if label else None
        problem = "" if isinstance(value, str) and value.strip() else f"its {source!r} is empty"
        if not isinstance(value, str | None):
            problem = f"its {source!r} is no text but {type(value).__name__}"
        if isinstance(said, list | dict):
            problem = problem or f"its {label!r} is no name but {type(said).__name__}"
        part = str(row.get(split) or "").strip().lower() if split else ""
        if part and part not in _SPLITS:
            problem = problem or f"its {split!r} is {part!r}, not train, validation or test"
        found = _source(path.parent, value if isinstance(value, str) else "", paths if named else None)
        yield Example(
            source=found,
            label=None if said is None or not str(said).strip() else str(said).strip(),
            name="" if isinstance(found, Path) else name,
            split=_SPLITS.get(part),
            problem=problem,
        )


def _source(folder: Path, value: str, paths: _Paths | None) -> Any:
    """A path seen from the folder of the table where the value is one or `paths` take it for one, else the text."""
    if len(value) > _LONGEST_PATH or "\n" in value or "\0" in value:
        return value
    file = folder / value.strip()
    return file if (paths and paths.match(value)) or os.path.isfile(file) else value  # noqa: PTH113 - takes what is no path, too


class _Paths:
    """What looks like the path of a file that an installed preprocess reads, whether it is there or not."""

    def __init__(self) -> None:
        reads = all_reads()
        self._files = tuple(suffix for one in reads if not one.strings for suffix in one.suffixes)
        self._texts = tuple(suffix for one in reads if one.strings for suffix in one.suffixes)

    def match(self, value: str) -> bool:
        """Whether it ends like a file; what could be a sentence that ends like one must be a single word."""
        name = value.strip().lower()
        return name.endswith(self._files) or (name.endswith(self._texts) and not re.search(r"\s", name))

    def prevail(self, values: Iterable[Any]) -> bool:
        """Whether at least half of the first values look like files."""
        first = [value for value in itertools.islice(values, _FIRST) if isinstance(value, str) and value.strip()]
        return 2 * sum(map(self.match, first)) >= len(first)


def _choose(path: Path, columns: Sequence[str], options: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the columns of input and label; no label where there is none to guess and none is stated."""
    for option in ("input", "label"):
        if (stated := options.get(option)) and stated not in columns:
            hint = did_you_mean(stated, columns)
            raise UsageError(f"{str(path)!r} has no column {stated!r}.{hint} Valid: {_some(columns)}.")
    label = options.get("label") or _named(columns, LABELS)
    rest = [column for column in columns if column != label and column.lower() != SPLIT]
    source = options.get("input") or _named(rest, INPUTS) or (rest[0] if len(rest) == 1 else None)
    if source is None:
        raise UsageError(
            f"Which column of {str(path)!r} is the input cannot be told. Received: {_some(columns)}. "
            f"State it: --input COLUMN{'' if label else ' (and that of labels: --set reader.label=COLUMN)'}."
        )
    for column in filter(None, (source, label)):
        if list(columns).count(column) > 1:
            raise DataError(f"{str(path)!r} has more than one column {column!r}. Rename all but one.")
    return source, label


def _some(columns: Sequence[str]) -> str:
    more = f" and {len(columns) - _SHOWN:,} more" if len(columns) > _SHOWN else ""
    return ", ".join(f"{column:.40}" for column in columns[:_SHOWN]) + more


def _named(columns: Sequence[str], names: Sequence[str]) -> str | None:
    found = [column for name in names for column in columns if column.strip().lower() == name]
    return found[0] if found else None


def _columns(path: Path, encoding: str) -> list[str]:
    if path.suffix.lower() == ".jsonl":
        first = itertools.islice(_rows(path, encoding), _FIRST)
        columns = dict.fromkeys(key for _, row in first if isinstance(row, Mapping) for key in row)
        if not columns:
            raise DataError(f"{str(path)!r} has no line that is a JSON object.")
        return list(columns)
    for number, cells in _cells(path, encoding):
        if isinstance(cells, str):
            raise DataError(f"The header of {str(path)!r}, line {number}, cannot be read: {cells}.")
        if any(cell.strip() for cell in cells):
            return cells
    raise DataError(f"{str(path)!r} is empty. Valid: a header with the names of the columns, then one row an example.")


def _rows(path: Path, encoding: str) -> Iterator[Row]:
    if path.suffix.lower() == ".jsonl":
        yield from _objects(path, encoding)
        return
    header: list[str] | None = None
    for number, cells in _cells(path, encoding):
        if isinstance(cells, str):
            yield number, cells
        elif not any(cell.strip() for cell in cells):
            continue
        elif header is None:
            header = cells
        elif len(cells) != len(header):
            yield number, f"it has {len(cells)} cells, the header {len(header)}"
        else:
            yield number, dict(zip(header, cells, strict=True))


def _objects(path: Path, encoding: str) -> Iterator[Row]:
    for number, line in enumerate(_lines(path, encoding), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, f"it is no JSON: {error}"
        else:
            yield number, value if isinstance(value, dict) else "it is no JSON object"


def _cells(path: Path, encoding: str) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the cells of each row, or why a line has none; such a line costs no other."""
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST))
    lines = _lines(path, encoding)
    first = next((line for line in _lines(path, encoding) if line.strip()), "")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(_DELIMITERS, key=first.count)
    row, again = list[str](), deque[str]()

    def feed() -> Iterator[str]:
        while (line := again.popleft() if again else next(lines, None)) is not None:
            row.append(line)
            yield line

    reader, number, left = csv.reader(feed(), delimiter=delimiter, strict=True), 0, _LONGEST
    while True:
        row.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            number += 1
            reason = f"its quotes do not pair, or are not doubled inside a quoted cell ({error})"
            left -= sum(map(len, row))
            if left < 0:  # a file can be made that is read to its end for each of its lines
                raise DataError(f"{str(path)!r} cannot be read from line {number} on: {reason}.") from error
            yield number, reason
            again.extendleft(reversed(row[1:]))
            reader = csv.reader(feed(), delimiter=delimiter, strict=True)
        else:
            number += len(row)
            yield number, cells


def _lines(path: Path, encoding: str) -> Iterator[str]:
    """Yield the lines of a text file with their ends; a byte order mark is no part of the first."""
    codec = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    try:
        with path.open(encoding=codec, newline="") as file:
            yield from file
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        with path.open("rb") as raw:
            guess = "utf-16" if raw.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "cp1252"
        if guess == "cp1252" and encoding.lower() in ("cp1252", "windows-1252"):
            guess = "latin-1"  # which takes any byte
        raise DataError(
            f"{str(path)!r} is not {encoding}: the byte 0x{byte:02x} in line {_first_undecodable(path, codec)} cannot "
            f"be read. State its encoding, such as --set reader.encoding={guess}."
        ) from error
    except UnicodeError as error:
        raise DataError(
            f"{str(path)!r} is not {encoding}: {error}. State another with --set reader.encoding."
        ) from error
    except (LookupError, ValueError) as error:
        raise UsageError(f"Unknown encoding {encoding!r}. Valid: utf-8, latin-1, cp1252, utf-16 ...") from error


def _first_undecodable(path: Path, codec: str) -> int:
    """The number of the first line that cannot be decoded, as the file is decoded in blocks of many lines."""
    number = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):  # noqa: B007 - it is what is returned
            try:
                line.decode(codec)
            except UnicodeDecodeError:
                break
    return number
