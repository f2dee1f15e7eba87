"""The reader of the UCR and UEA archives' files: ``.ts``, ``.arff`` and ``.tsv``, or a folder with two parts."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlplug_series.arff import read_arff
from tlplug_series.examples import example, problem
from tlplug_series.lines import read_lines
from tlplug_series.ts import read_ts
from tlplug_series.values import CellError, is_number, numbers

if TYPE_CHECKING:
    from tlplug import Example

_PART = re.compile(r"(.+)_(TRAIN|TEST)(\.ts|\.arff|\.tsv)", re.IGNORECASE)
_SEEN = 1 << 20
"""Bytes of a file that may stand before its data."""

_ROWS = 8
"""Rows of a ``.tsv`` file that tell what it is."""


def sniff(path: Path) -> float:
    """Say how sure it is that `path` is a file of one of these formats, or a folder with the parts of a data set."""
    if path.is_dir():
        return 0.9 if _data_sets(path) else 0.0
    suffix = path.suffix.lower()
    if suffix not in _READERS or not path.is_file():
        return 0.0
    if suffix == ".tsv":
        return 0.7 if _is_tsv(path) else 0.0
    with path.open("rb") as file:
        start = file.read(_SEEN)
    data = re.search(rb"^\s*@data\b", start.replace(b"\0", b""), re.IGNORECASE | re.MULTILINE)  # NUL: UTF-16
    return 0.9 if data else 0.0


def read(path: Path, options: Mapping[str, Any]) -> Iterator[Example]:  # noqa: ARG001 - every reader takes options
    """Yield the examples of a file, or of the two parts of a data set in a folder, which keep their split.

    Of a folder the files ``NAME_TRAIN`` and ``NAME_TEST`` are read; where a part is there in several formats, ``.ts``
    is preferred to ``.arff`` and that to ``.tsv``. Of several data sets in one folder it is the one that is called like
    the folder.

    Args:
        path: of the file or folder.
        options: none.

    Raises:
        UsageError: several data sets in the folder, none of them called like it, or none.
        DataError: a file is none of its format.
    """
    if not path.is_dir():
        yield from _reader(path)(path, None)
        return
    for split, file in _chosen(path).items():
        yield from _reader(file)(file, split)


def read_tsv(path: Path, split: str | None = None) -> Iterator[Example]:
    """Yield an example for every row: its class, then its values, split by tabs; NaN at the end is no step.

    Source: Dau et al. 2018, The UCR time series archive, arXiv:1810.07758.
    """
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        label, *cells = line.rstrip("\n").split("\t")
        name = f"{path}:{number}"
        try:
            yield example(numbers(cells), label, name=name, split=split, trim=True)
        except CellError as error:
            yield problem(f"step {error.position + 1:,}: {error}", label, name=name, split=split)


_READERS: dict[str, Callable[[Path, str | None], Iterator[Example]]] = {
    ".ts": read_ts,
    ".arff": read_arff,
    ".tsv": read_tsv,
}
"""By ending, the preferred format first."""


def _reader(path: Path) -> Callable[[Path, str | None], Iterator[Example]]:
    from tlplug import UsageError

    if path.suffix.lower() not in _READERS:
        raise UsageError(f"{str(path)!r} is no file of the UCR archive. Valid endings: {', '.join(_READERS)}.")
    return _READERS[path.suffix.lower()]


def _data_sets(folder: Path) -> dict[str, dict[str, Path]]:
    """The files of each data set in a folder that has a training part, by split."""
    found: dict[str, dict[str, Path]] = {}
    order = list(_READERS)
    for path in sorted(folder.iterdir(), key=lambda file: file.name):
        match = _PART.fullmatch(path.name)
        if match is None or path.name.startswith(".") or not path.is_file():
            continue
        parts, split = found.setdefault(match[1], {}), match[2].lower()
        if split not in parts or order.index(match[3].lower()) < order.index(parts[split].suffix.lower()):
            parts[split] = path
    return {name: parts for name, parts in found.items() if "train" in parts}


def _chosen(folder: Path) -> dict[str, Path]:
    from tlplug import UsageError

    found = _data_sets(folder)
    parts = found.get(folder.resolve().name) or (next(iter(found.values())) if len(found) == 1 else None)
    if parts is None:
        received = f"several: {', '.join(list(found)[:5])}" if found else "none"
        raise UsageError(
            f"{str(folder)!r} has no single data set with NAME_TRAIN and NAME_TEST files. Received: {received}. "
            f"Valid: one, or two files: tlplug train NAME_TRAIN.ts --test NAME_TEST.ts"
        )
    return {split: parts[split] for split in ("train", "test") if split in parts}


def _is_tsv(path: Path) -> bool:
    """Whether the first rows are a number and two values at least, without a header."""
    from tlplug import TlplugError

    try:
        lines = itertools.islice(read_lines(path), _ROWS)
        rows = [line.rstrip("\n").split("\t") for line in lines if line.strip()]
    except TlplugError:
        return False
    return bool(rows) and all(len(row) > 2 and all(map(is_number, row)) for row in rows)
