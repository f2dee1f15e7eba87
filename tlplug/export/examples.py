"""The examples that a run keeps: held-out ones to prove exports on, and some of the training part to calibrate them."""

from __future__ import annotations

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
        "held_out": list(_written(folder / "test", data.take(held_out), HELD_OUT, seed)),
        "training": list(_written(folder / "train", data.take(~held_out), CALIBRATION, seed)),
        "of": {"held_out": int(held_out.sum()), "training": int((~held_out).sum())},
    }
    write_json(folder / _INDEX, index)
    write_manifest(folder)


def _written(start: Path, data: Dataset, most: tuple[int, int], seed: int) -> Iterator[dict[str, str | int]]:
    """Write examples in a random order until there are enough; yield what the index says of each."""
    count, room = most
    for number, position in enumerate(np.random.default_rng(seed).permutation(len(data))[:count]):
        source, label = data.sources[position], int(data.labels[position])
        if isinstance(source, Path) and not source.is_file():  # removed since it was trained on
            continue
        if _size(source) > room:
            continue
        room -= _size(source)
        path = start.with_name(f"{start.name}-{number:04}")
        if isinstance(source, str):
            yield {"text": source, "label": label}
        elif isinstance(source, Path):
            path = path.with_suffix(source.suffix)
            shutil.copyfile(source, path)
            yield {"file": path.name, "label": label}
        elif isinstance(source, bytes):
            path.write_bytes(source)
            yield {"bytes": path.name, "label": label}
        else:
            path = path.with_suffix(".npy")
            np.save(path, source, allow_pickle=False)
            yield {"array": path.name, "label": label}


def _size(source: Any) -> int:
    if isinstance(source, Path):
        return source.stat().st_size
    return int(source.nbytes) if isinstance(source, np.ndarray) else len(source)


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
