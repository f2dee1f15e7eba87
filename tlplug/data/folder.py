"""The reader of folders: one subfolder a class, with or without train, validation and test folders above."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tlplug import progress
from tlplug.data.dataset import TEST, TRAIN, VALIDATION
from tlplug.errors import DataError, counted
from tlplug.specs import Example
from tlplug.storage import walk_folders

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
    once; one that cannot be read is said and left out. Folders named train, validation (or val) and test mean splits
    when there is nothing beside them.

    Raises:
        DataError: no class folders, split folders with others beside them, or split folders without one to train on.
    """
    folders = _folders(path)
    loose = sum(1 for entry in os.scandir(path) if _visible(entry.name) and not entry.is_dir())
    if loose and not folders:
        raise DataError(
            f"No class folders in {str(path)!r}. Received: {counted(loose, 'file')} directly in it. Valid: one "
            "subfolder per class, files in each."
        )
    if loose:
        progress.note(f"In no class folder, so left out: {counted(loose, 'file')} directly in {str(path)!r}.")
    splits = [SPLIT_FOLDERS.get(folder.name.lower()) for folder in folders]
    _check_splits(path, folders, splits)
    if TRAIN in splits and None not in splits:
        for folder, split in zip(folders, splits, strict=True):
            for label in _folders(folder):
                for file in walk(label):
                    yield Example(source=file, label=label.name, split=split)
    else:
        for label in folders:
            for file in walk(label):
                yield Example(source=file, label=label.name)


def _check_splits(path: Path, folders: list[Path], splits: list[str | None]) -> None:
    """Refuse folders of which some look like splits and some do not: classes of that name would be a silent mistake."""
    found = {split for split in splits if split}
    if len(found) > 1 and None in splits:
        strays = ", ".join(repr(f.name) for f, split in zip(folders, splits, strict=True) if split is None)
        raise DataError(
            f"{str(path)!r} has folders for splits ({', '.join(sorted(found))}) and others beside them: {strays}. "
            "Valid: only train, validation and test folders with the classes inside, or only class folders."
        )
    if found and TRAIN not in found and None not in splits:
        raise DataError(
            f"{str(path)!r} has no train folder. Received: {', '.join(f.name for f in folders)}. Valid: train, "
            "validation and test folders with the classes inside, or one folder per class."
        )


def _visible(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in _SYSTEM


def _folders(path: Path) -> list[Path]:
    return sorted(Path(entry.path) for entry in os.scandir(path) if _visible(entry.name) and entry.is_dir())


def _note(error: OSError) -> None:
    progress.note(f"Left out, because it cannot be read: {error.filename!r} ({error.strerror}).")


def walk(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder that is not hidden, by name; a folder that links lead to again is read once."""
    for parent, folders, files in walk_folders(folder, _note):
        folders[:] = sorted(filter(_visible, folders))
        for name in sorted(filter(_visible, files)):
            yield Path(parent, name)
