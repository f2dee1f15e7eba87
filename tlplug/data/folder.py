"""The reader of folders: one subfolder a class, with or without train, validation and test folders above."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tlplug import progress
from tlplug.data.dataset import TEST, TRAIN, VALIDATION
from tlplug.errors import DataError
from tlplug.specs import Example

SPLIT_FOLDERS: Mapping[str, str] = {
    "train": TRAIN,
    "training": TRAIN,
    "validation": VALIDATION,
    "valid": VALIDATION,
    "val": VALIDATION,
    "test": TEST,
    "testing": TEST,
}
"""Folder names, in lower case, that mean a split and not a class."""

_SYSTEM = {"thumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "system volume information"}


def sniff(path: Path) -> float:
    """Say how sure it is that `path` is a folder of classes."""
    return 0.5 if path.is_dir() and _folders(path) else 0.1 if path.is_dir() else 0.0


def read(path: Path, options: Mapping[str, Any]) -> Iterator[Example]:  # noqa: ARG001 - every reader takes options
    """Yield an `Example` for every file below a class folder, however deep, in the order of their names.

    Hidden files and what operating systems leave behind are passed over. A folder that links lead to again is read
    once. Folders named train, validation (or val) and test mean splits when there is nothing beside them.
    """
    folders = _folders(path)
    loose = sum(1 for entry in os.scandir(path) if _visible(entry.name) and not entry.is_dir())
    if loose and not folders:
        raise DataError(
            f"No class folders in {str(path)!r}, where {loose} files lie directly. Valid: one subfolder per class, "
            "files in each."
        )
    if loose:
        progress.note(f"{loose} files that lie directly in {str(path)!r} are in no class folder.")
    splits = [SPLIT_FOLDERS.get(folder.name.lower()) for folder in folders]
    if TRAIN in splits and None not in splits:
        for folder, split in zip(folders, splits, strict=True):
            for label in _folders(folder):
                for file in walk(label):
                    yield Example(source=file, label=label.name, split=split)
    else:
        for label in folders:
            for file in walk(label):
                yield Example(source=file, label=label.name)


def _visible(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in _SYSTEM


def _folders(path: Path) -> list[Path]:
    return sorted(Path(entry.path) for entry in os.scandir(path) if _visible(entry.name) and entry.is_dir())


def _raise(error: OSError) -> None:
    raise error


def walk(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder that is not hidden, by name; a folder that links lead to again is read once."""
    seen: set[tuple[int, int]] = set()
    for parent, folders, files in os.walk(folder, onerror=_raise, followlinks=True):
        status = os.stat(parent)  # noqa: PTH116 - a device and inode pair tells where links lead
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(filter(_visible, folders))
        for name in sorted(filter(_visible, files)):
            yield Path(parent, name)
