"""Checkpoints: everything that the rest of a training depends on, whole or not at all."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug import progress
from tlplug.errors import first_line
from tlplug.storage import file_digest, replace_file

KEPT = 2
"""Checkpoints of a phase: the last, and the one before in case the disk has damaged it."""


@dataclass(frozen=True)
class Checkpoint:
    """A training between two epochs: arrays by name, and what JSON holds."""

    arrays: Mapping[str, NDArray[Any]]
    values: Mapping[str, Any]


class Checkpoints:
    """The checkpoints of one phase of a training, in a folder.

    Args:
        folder: made when the first is written; None keeps nothing.
        phase: of the training: each has checkpoints of its own.
    """

    def __init__(self, folder: Path | None, phase: str) -> None:
        self._folder, self._phase = folder, phase

    def save(self, epoch: int, checkpoint: Checkpoint) -> bool:
        """Keep the state after an epoch: written under another name, synced, renamed; return whether it is kept.

        A disk that does not take it is noted, once; the training goes on.
        """
        if self._folder is None:
            return False
        try:
            self._write(self._folder, epoch, checkpoint)
        except OSError as error:
            progress.note(f"Cannot keep checkpoints in {self._folder}: {error.strerror or first_line(error)}.")
            self._folder = None
        return self._folder is not None

    def _write(self, folder: Path, epoch: int, checkpoint: Checkpoint) -> None:
        stem, values = f"{self._phase}-{epoch:06d}", np.array(json.dumps(dict(checkpoint.values)))
        named = replace_file(folder / f"{stem}.npz", lambda path: f"{stem}-{file_digest(path)}.npz")
        with named as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, values=values, **checkpoint.arrays)
        for old in self._files()[:-KEPT]:
            old.unlink(missing_ok=True)

    def latest(self) -> Checkpoint | None:
        """Return the last one that is whole, and note those that are damaged; None when there is none."""
        for path in reversed(self._files()):
            with contextlib.suppress(OSError, ValueError, KeyError):
                if file_digest(path) == path.stem.rpartition("-")[2]:
                    with np.load(path, allow_pickle=False) as file:
                        arrays = {name: file[name] for name in file.files}
                    return Checkpoint(arrays, json.loads(str(arrays.pop("values"))))
            progress.note(f"The checkpoint {str(path)!r} is damaged: the one before it serves, or the beginning.")
        return None

    def clear(self) -> None:
        """Remove all of this phase."""
        for path in self._files():
            path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        if self._folder is None:
            return []
        return sorted(path for path in self._folder.glob(f"{self._phase}-*.npz") if not path.name.startswith("."))
