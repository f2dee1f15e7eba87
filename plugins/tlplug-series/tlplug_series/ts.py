"""The ``.ts`` format of the UEA and UCR archives: directives, then a line a series, its dimensions split by colons."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tlplug_series.examples import UNKNOWN, example, problem
from tlplug_series.lines import read_lines
from tlplug_series.values import CellError, SeriesError, numbers

if TYPE_CHECKING:
    from tlplug import Example

_COMMENT = ("#", "%")
_STEP = re.compile(r"\(([^()]*),([^(),]*)\)\s*(,|\Z)")
"""A time, its value, and what follows."""

_DIMENSIONS = re.compile(r"(?<=\))\s*:|^:|:(?=\s*\()")
"""The colons that are not within a time of day."""


@dataclass
class Header:
    """What the directives say.

    Attributes:
        dimensions: of every series; None before it is known.
        length: of every series where all are equally long.
        equal: whether they are.
        stamped: whether steps are ``(time,value)``.
        labelled: whether each line ends with a class.
        classes: that there are; any where none is listed.
    """

    dimensions: int | None = None
    length: int | None = None
    equal: bool = False
    stamped: bool = False
    labelled: bool = False
    classes: set[str] = field(default_factory=set)


def read_ts(path: Path, split: str | None = None) -> Iterator[Example]:
    """Yield an example for every line of data.

    ``?`` and ``NaN`` are missing values. Of steps with times, ``(time,value)``, the values are taken in their order.
    Series with more or fewer dimensions, steps or other classes than the directives say become problems.

    Args:
        path: of the file.
        split: of its examples.

    Raises:
        DataError: no ``@data``, a directive that makes no sense, or numbers to predict instead of classes.

    Source: https://www.aeon-toolkit.org/en/stable/api_reference/data_format.html
    """
    from tlplug import DataError

    header = Header()
    lines = ((number, line.strip()) for number, line in enumerate(read_lines(path), 1))
    said = ((number, line) for number, line in lines if line and not line.startswith(_COMMENT))
    for number, line in said:
        if not line.startswith("@"):
            raise DataError(f"{str(path)!r} has data before @data, in line {number:,}.")
        if line.split()[0].lower() == "@data":
            break
        _direct(header, line, f"{path}:{number}")
    else:
        raise DataError(f"{str(path)!r} has no @data: it is no .ts file of series.")
    for number, line in said:
        yield _example(header, line, f"{path}:{number}", split)


def _direct(header: Header, line: str, place: str) -> None:
    from tlplug import DataError

    word, *values = line.split()
    name = word[1:].lower()
    if name in ("dimensions", "serieslength"):
        count = int(values[0]) if values and values[0].isascii() and values[0].isdigit() and len(values[0]) < 10 else 0
        if count < 1:
            raise DataError(f"{place}: {word} takes a number from 1 on. Received: {' '.join(values) or 'nothing'}.")
        setattr(header, "dimensions" if name == "dimensions" else "length", count)
    elif name in ("timestamps", "equallength", "univariate", "classlabel", "targetlabel"):
        said = values[0].lower() if values else ""
        if said not in ("true", "false"):
            raise DataError(f"{place}: {word} is true or false. Received: {' '.join(values)[:40] or 'nothing'}.")
        if name == "timestamps":
            header.stamped = said == "true"
        elif name == "equallength":
            header.equal = said == "true"
        elif name == "univariate" and said == "true":
            header.dimensions = 1
        elif name == "classlabel":
            header.labelled, header.classes = said == "true", set(values[1:])
        elif name == "targetlabel" and said == "true":
            raise DataError(f"{place}: it has numbers to predict ({word}). Valid: classes, @classLabel.")


def _example(header: Header, line: str, name: str, split: str | None) -> Example:
    import numpy as np

    parts = [part.strip() for part in (_DIMENSIONS.split(line) if header.stamped else line.split(":"))]
    label = parts.pop() if header.labelled else None
    if header.labelled and not parts:
        return problem("it has no ':', and so no class", name=name, split=split)
    if label not in (None, "", UNKNOWN) and header.classes and label not in header.classes:
        return problem(f"its class '{label:.40}' is not one that @classLabel lists", name=name, split=split)
    wanted = header.dimensions
    if wanted is not None and len(parts) != wanted:
        return problem(f"it has {len(parts)} dimensions, not {wanted}", label, name=name, split=split)
    try:
        dimensions = [_values(part, stamped=header.stamped) for part in parts]
    except SeriesError as error:
        return problem(str(error), label, name=name, split=split)
    lengths = {len(dimension) for dimension in dimensions}
    if len(lengths) > 1:
        reason = f"its dimensions have from {min(lengths):,} to {max(lengths):,} steps"
        return problem(reason, label, name=name, split=split)
    (length,) = lengths
    if header.equal and header.length and length != header.length:
        return problem(f"it has {length:,} steps, not {header.length:,}", label, name=name, split=split)
    header.dimensions = len(parts)
    if header.equal:
        header.length = length
    return example(np.array(dimensions).T, label, name=name, split=split)


def _values(text: str, *, stamped: bool) -> array[float]:
    try:
        return numbers(_stamped(text) if stamped else text.split(",") if text else ())
    except CellError as error:
        raise SeriesError(f"step {error.position + 1:,}: {error}") from error


def _stamped(text: str) -> Iterator[str]:
    position = 0
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            raise SeriesError(f"{text[position : position + 40]!r} is not (time,value)")
        yield step[2]
        position = step.end()
        while position < len(text) and text[position].isspace():
            position += 1
