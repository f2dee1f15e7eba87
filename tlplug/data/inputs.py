"""From what people type after `predict` to sources: files, folders and patterns."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tlplug.data.folder import walk


def find_inputs(inputs: Sequence[Any], suffixes: Iterable[str]) -> list[Any]:
    """Return the sources that some inputs mean, in order, each file once.

    Args:
        inputs: paths as text or `Path`; a folder means every file below it with one of the suffixes, hidden ones left
            out; a pattern (``*``, ``?``, ``[``) means the files that match it. Anything else is a source as it is.
        suffixes: of the modality.
    """
    endings = tuple(suffixes)
    found: list[Any] = []
    for given in inputs:
        if not isinstance(given, str | Path):
            found.append(given)
            continue
        path = Path(given).expanduser()
        if path.is_dir():
            found.extend(file for file in walk(path) if file.name.lower().endswith(endings))
        elif not path.exists() and glob.has_magic(str(path)):
            matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))  # noqa: PTH207 - takes absolute patterns
            found.extend(match for match in matches if match.is_file())
            if not matches:
                found.append(path)
        else:
            found.append(path)
    files = dict.fromkeys(item for item in found if isinstance(item, Path))
    # each file where it comes first; sources of other kinds need not be hashable
    return [item for item in found if not isinstance(item, Path) or files.pop(item, ...) is None]
