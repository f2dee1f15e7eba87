"""From what people type after `predict` to sources: files, folders and patterns."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tlplug.data.folder import walk

_LONGEST_PATH = 4096


def find_inputs(inputs: Sequence[Any], suffixes: Iterable[str], *, strings: bool = False) -> list[Any]:
    """Return the sources that some inputs mean, in order, each file once.

    Args:
        inputs: a `Path`, or a text that is the path of something there, means the file, or every file below the folder
            with one of the suffixes, hidden ones left out; a text with ``*``, ``?`` or ``[`` means what matches it.
            A text that ends like a file is a path too, so that it is missed when it is not there. Anything else is a
            source as it is.
        suffixes: of the modality.
        strings: whether a text that is no path is a source of the modality, whatever it ends like.
    """
    endings = tuple(suffixes)
    found: list[Any] = []
    for given in inputs:
        found.extend(_sources(given, endings, strings=strings))
    files = dict.fromkeys(item for item in found if isinstance(item, Path))
    # each file where it comes first; sources of other kinds need not be hashable
    return [item for item in found if not isinstance(item, Path) or files.pop(item, ...) is None]


def as_source(source: Any, suffixes: Iterable[str], *, strings: bool = False) -> Any:
    """A text that ends like a file of the modality is a path; everything else stays what it is.

    With `strings`, where any text is a source, it is a path only when there is something.
    """
    if isinstance(source, str) and source.lower().endswith(tuple(suffixes)):
        return source if strings and not os.path.exists(source) else Path(source)  # noqa: PTH110 - takes any text
    return source


def looks_like_path(text: str, endings: Iterable[str]) -> bool:
    """Whether a text that is no path of something there was rather meant as one, or as a pattern, than as a text.

    It is one line and begins like a path; or it has no white space, and leads into a folder that is there, or has one
    of the endings, or the marks of a pattern and any ending.

    >>> [looks_like_path(text, [".txt"]) for text in ("no.txt", "./no thing", "*.md", "Who? Me.", "and/or", "fine")]
    [True, True, True, False, False, False]
    """
    if len(text) > _LONGEST_PATH or re.search(r"[\n\r\0]", text):
        return False
    if re.match(r"(\.{0,2}|~)/\S", text):
        return True
    if re.search(r"\s", text):
        return False
    folder, separator, _ = text.partition("/")
    if separator and os.path.isdir(folder):  # noqa: PTH112 - takes any text
        return True
    ends = bool(re.search(r"\.[A-Za-z]\w*$", text))
    return text.lower().endswith(tuple(endings)) or (ends and glob.has_magic(text))


def _sources(given: Any, endings: tuple[str, ...], *, strings: bool) -> Iterator[Any]:
    if not isinstance(given, str | Path):
        yield given
        return
    path = os.path.expanduser(given)  # noqa: PTH111 - a text need not be a path that pathlib takes
    if os.path.exists(path):  # noqa: PTH110 - and this says no instead of raising for a text that cannot be one
        yield from _below(Path(path), endings)
    elif matches := _matches(str(path)):
        for match in matches:
            yield from _below(Path(match), endings)
    else:
        yield Path(path) if isinstance(given, Path) else as_source(given, endings, strings=strings)


def _matches(pattern: str) -> list[str]:
    if not glob.has_magic(pattern):
        return []
    try:
        return sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - takes absolute patterns
    except (OSError, ValueError, RecursionError):  # a text with a question mark, too long or odd to be a pattern
        return []


def _below(path: Path, endings: tuple[str, ...]) -> Iterator[Path]:
    if path.is_dir():
        yield from (file for file in walk(path) if file.name.lower().endswith(endings))
    else:
        yield path
