"""Weka's ``.arff`` format as the archives use it: an attribute a step, or a relational one with a row a channel.

`scipy.io.arff` reads well-formed files of both kinds, and refuses a whole file for one bad row, names of classes beyond
ASCII and relational rows of unequal numbers of values; here each row stands for itself, with its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tlplug_series.examples import UNKNOWN, example, problem
from tlplug_series.formats import LABELS
from tlplug_series.lines import read_lines
from tlplug_series.values import CellError, numbers

if TYPE_CHECKING:
    from tlplug import Example

_QUOTED = r"'(?:[^'\\]++|\\.)*+'|\"(?:[^\"\\]++|\\.)*+\""
_CELL = re.compile(rf"\s*+({_QUOTED}|[^,'\"]*+)\s*+(,|\Z)")
_ATTRIBUTE = re.compile(rf"@attribute\s+({_QUOTED}|\S+)\s+(\{{.*\}}|\S+)", re.IGNORECASE)
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}

_NUMERIC = ("numeric", "real", "integer")
_TEXT = ("string",)


@dataclass
class Attributes:
    """What the header declares.

    Attributes:
        names, types: of the attributes that are columns of the data; types in lower case, ``{`` for nominal.
        classes: the values of nominal attributes, by position.
        inside: how many attributes the relational one has.
        label: the position of the class; None where there is none.
        series: the positions of the steps, or of the relational attribute.
    """

    names: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    classes: dict[int, set[str]] = field(default_factory=dict)
    inside: int = 0
    label: int | None = None
    series: list[int] = field(default_factory=list)


def read_arff(path: Path, split: str | None = None) -> Iterator[Example]:
    """Yield an example for every row of data.

    ``?`` is a missing value; at the end of a series it means that it is shorter than the others. The class is the
    attribute named label, class, category or target, else the last one that is no number.

    Args:
        path: of the file.
        split: of its examples.

    Raises:
        DataError: no ``@data``, or attributes that do not make series.

    Source: https://waikato.github.io/weka-wiki/formats_and_processing/arff/
    """
    from tlplug import DataError

    lines = ((number, line.strip()) for number, line in enumerate(read_lines(path), 1))
    said = ((number, line) for number, line in lines if line and not line.startswith("%"))
    attributes = _attributes(path, said)
    label = attributes.label = _label(attributes)
    relational = [place for place, kind in enumerate(attributes.types) if kind == "relational"]
    steps = [place for place, kind in enumerate(attributes.types) if kind in _NUMERIC and place != label]
    if len(relational) > 1 or bool(relational) == bool(steps):
        raise DataError(
            f"{str(path)!r} has {len(steps)} numeric and {len(relational)} relational attributes. Valid: a numeric one "
            "for each step, or one relational, and one with the class."
        )
    if others := set(range(len(attributes.types))) - {label, *relational, *steps}:
        name = attributes.names[min(others)]
        raise DataError(f"{str(path)!r} has an attribute {name[:40]!r} that is neither a step nor the class.")
    attributes.series = relational or steps
    for number, line in said:
        yield _example(attributes, line, f"{path}:{number}", split)


def _attributes(path: Path, lines: Iterator[tuple[int, str]]) -> Attributes:
    from tlplug import DataError

    found, within = Attributes(), False
    for number, line in lines:
        word = line.split()[0].lower()
        if word == "@data":
            return found
        if word == "@end":
            within = False
        elif word == "@attribute":
            match = _ATTRIBUTE.match(line)
            if match is None:
                raise DataError(f"{path}:{number}: it is no attribute: {line[:60]!r}.")
            if within:
                found.inside += 1
                continue
            kind = match[2].lower()
            if kind.startswith("{"):
                cells = _cells(match[2][1:-1]) or []
                found.classes[len(found.names)], kind = {_unquoted(cell) for cell in cells}, "{"
            found.names.append(_unquoted(match[1]))
            found.types.append(kind)
            within = kind == "relational"
        elif word != "@relation":
            raise DataError(f"{path}:{number}: neither @relation, @attribute nor @data: {line[:60]!r}.")
    raise DataError(f"{str(path)!r} has no @data: it is no .arff file of series.")


def _label(attributes: Attributes) -> int | None:
    named = [place for place, name in enumerate(attributes.names) if name.lower() in LABELS]
    texts = [place for place, kind in enumerate(attributes.types) if kind == "{" or kind in _TEXT]
    return next(iter(named or reversed(texts)), None)


def _example(attributes: Attributes, line: str, name: str, split: str | None) -> Example:
    import numpy as np

    label, cells = attributes.label, _cells(line)
    if cells is None or line.startswith("{"):
        reason = "sparse rows cannot be read" if line.startswith("{") else "its quotes are not in pairs"
        return problem(reason, name=name, split=split)
    if len(cells) != len(attributes.names):
        return problem(f"it has {len(cells):,} values, not {len(attributes.names):,}", name=name, split=split)
    said = None if label is None or cells[label].strip() in ("", UNKNOWN) else _unquoted(cells[label])
    valid = None if label is None else attributes.classes.get(label)
    if said is not None and valid and said not in valid:
        return problem(f"its class {said[:40]!r} is not one that the header lists", name=name, split=split)
    rows = [[cells[place] for place in attributes.series]]
    if attributes.inside:
        rows = [row.split(",") for row in _unquoted(cells[attributes.series[0]]).split("\n") if row.strip()]
    for number, row in enumerate(rows, 1):
        if attributes.inside and len(row) != attributes.inside:
            reason = f"its channel {number} has {len(row):,} steps, not {attributes.inside:,}"
            return problem(reason, said, name=name, split=split)
    try:
        channels = [numbers(row) for row in rows]
    except CellError as error:
        return problem(f"step {error.position + 1:,}: {error}", said, name=name, split=split)
    return example(np.array(channels).T, said, name=name, split=split, trim=True)


def _cells(line: str) -> list[str] | None:
    """Split a row at the commas outside of quotes; None where quotes are not in pairs."""
    if "'" not in line and '"' not in line:
        return line.split(",")
    cells, position = [], 0
    while match := _CELL.match(line, position):
        cells.append(match[1])
        position = match.end()
        if not match[2]:
            return cells
    return None


def _unquoted(cell: str) -> str:
    cell = cell.strip()
    if len(cell) < 2 or cell[0] != cell[-1] or cell[0] not in "'\"":
        return cell
    return _ESCAPE.sub(lambda escape: _ESCAPES.get(escape[1], escape[1]), cell[1:-1])
