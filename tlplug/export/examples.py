"""The examples that a run keeps: held-out ones to prove exports on, and some of the training part to calibrate them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tlplug.data import TEST, Dataset
from tlplug.errors import DamagedRunError
from tlplug.storage import manifest_problem, read_json, write_json, write_manifest

EXAMPLES = "examples"
"""The folder within a run."""

HELD_OUT = (1000, 64 << 20)
CALIBRATION = (100, 16 << 20)
"""How many are kept at most, and how many bytes of them."""

_INDEX = "examples.json"


@dataclass(frozen=True)
class StoredExample:
    """An example of the run's data: its source (a path, a text, bytes or an array), and the position of its class."""

    source: Any
    label: int


def write_examples(folder: Path, data: Dataset, seed: int) -> None:
    """Write held-out examples and some of the others into a new folder, as many of each as there is room for.

    Args:
        folder: to make.
        data: what the model was trained and measured on; all of it can be read.
        seed: of the choice.
    """
    folder.mkdir()
    held_out = data.splits == TEST
    index = {
        "held_out": list(_written(folder, data.take(held_out), "test", *HELD_OUT, seed)),
        "training": list(_written(folder, data.take(~held_out), "train", *CALIBRATION, seed)),
        "of": {"held_out": int(held_out.sum()), "training": int((~held_out).sum())},
    }
    write_json(folder / _INDEX, index)
    write_manifest(folder)


def _written(
    folder: Path, data: Dataset, name: str, most: int, limit: int, seed: int
) -> Iterator[dict[str, str | int]]:
    """Write examples in a random order until there are enough; yield what the index says of each."""
    room = limit
    for number, position in enumerate(np.random.default_rng(seed).permutation(len(data))[:most]):
        source, label = data.sources[position], int(data.labels[position])
        path = folder / f"{name}-{number:04}"
        if isinstance(source, str):
            room -= len(json.dumps(source))
            found: dict[str, str | int] = {"text": source, "label": label}
        elif isinstance(source, Path):
            path = path.with_suffix(source.suffix)
            room -= source.stat().st_size
            if room >= 0:
                shutil.copyfile(source, path)
            found = {"file": path.name, "label": label}
        elif isinstance(source, bytes):
            room -= len(source)
            path.write_bytes(source)
            found = {"bytes": path.name, "label": label}
        else:
            path = path.with_suffix(".npy")
            room -= source.nbytes
            np.save(path, source, allow_pickle=False)
            found = {"array": path.name, "label": label}
        if room < 0 and number:
            path.unlink(missing_ok=True)
            return
        yield found


def read_examples(folder: Path) -> tuple[list[StoredExample], list[StoredExample], int]:
    """Return the held-out examples that a run keeps, those of training, and how many held-out ones there were.

    Raises:
        DamagedRunError: the files are not as they were written.
    """
    if not folder.exists():
        return [], [], 0
    if problem := manifest_problem(folder):
        raise DamagedRunError(f"The examples in {str(folder)!r} cannot be used: {problem}. Train again, or restore it.")
    try:
        index = read_json(folder / _INDEX)
        held_out, training = ([_read(folder, item) for item in index[part]] for part in ("held_out", "training"))
        return held_out, training, int(index["of"]["held_out"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedRunError(f"The examples in {str(folder)!r} cannot be read: {error}.") from error


def _read(folder: Path, item: dict[str, Any]) -> StoredExample:
    source: Any
    if "text" in item:
        source = str(item["text"])
    elif "file" in item:
        source = folder / Path(item["file"]).name
    elif "bytes" in item:
        source = (folder / Path(item["bytes"]).name).read_bytes()
    else:
        source = np.load(folder / Path(item["array"]).name, allow_pickle=False)
    return StoredExample(source, int(item["label"]))
