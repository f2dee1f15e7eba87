"""The data set: examples, labels, class names and split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TRAIN, VALIDATION, TEST = "train", "validation", "test"


@dataclass(frozen=True)
class Skipped:
    """An example that was left out, and why."""

    source: str
    reason: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled examples of one modality.

    Attributes:
        sources: where each example is: a path, bytes or an array.
        labels: int64 ``[n]``, positions in `classes`.
        classes: the class names.
        digests: sha256 of each example's content.
        splits: ``train``, ``validation`` or ``test`` for each example.
        modality: of all of them.
        skipped: what was found and left out.
        origin: where it was read from, for people.
        names: what to call each example, empty where its source says it; none at all when no source needs one.
        read_with: the ``name`` of the reader that read them, and its ``options``, with what it found out by itself,
            such as columns; empty for a sequence of sources.
    """

    sources: Sequence[Any]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    digests: Sequence[bytes]
    splits: NDArray[np.str_]
    modality: str
    skipped: tuple[Skipped, ...] = ()
    origin: str = ""
    names: Sequence[str] = ()
    read_with: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        parts = ", ".join(
            f"{count} {name}" for name in (TRAIN, VALIDATION, TEST) if (count := sum(self.splits == name))
        )
        return f"<Dataset {self.origin!r}: {len(self)} {self.modality} examples, {len(self.classes)} classes: {parts}>"

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def digest(self) -> str:
        """The sha256 of what the examples are, in their order: contents, labels and parts."""
        rows = zip(self.digests, self.labels.tolist(), self.splits.tolist(), strict=True)
        said = json.dumps([self.classes, [[digest.hex(), *row] for digest, *row in rows]])
        return hashlib.sha256(said.encode()).hexdigest()

    def take(self, chosen: NDArray[Any]) -> Dataset:
        """Return the examples that a mask or an array of positions chooses."""
        positions = np.arange(len(self))[chosen]
        return replace(
            self,
            sources=[self.sources[i] for i in positions],
            labels=self.labels[positions],
            digests=[self.digests[i] for i in positions],
            splits=self.splits[positions],
            names=[self.names[i] for i in positions] if self.names else (),
        )

    def relabelled(self, labels: NDArray[np.int64], classes: tuple[str, ...]) -> Dataset:
        """Return the same examples with labels that are positions in other class names."""
        return replace(self, labels=labels, classes=classes)

    def part(self, name: str) -> Dataset:
        """Return the examples of one split."""
        return self.take(self.splits == name)

    @property
    def train(self) -> Dataset:
        """What models are fitted on."""
        return self.part(TRAIN)

    @property
    def validation(self) -> Dataset:
        """What settings may be chosen on, where the data set has such a part beside a test part."""
        return self.part(VALIDATION)

    @property
    def test(self) -> Dataset:
        """What every figure is reported on, and nothing is fitted or chosen on."""
        return self.part(TEST)

    def name(self, position: int) -> str:
        """How an example is called in tables and files."""
        return (self.names[position] if self.names else "") or source_name(self.sources[position], position)

    def counts(self) -> dict[str, int]:
        """Examples by class name."""
        numbers = np.bincount(self.labels, minlength=len(self.classes))
        return {name: int(number) for name, number in zip(self.classes, numbers, strict=True)}


def source_name(source: Any, position: int) -> str:
    """How a source is called: its path, or its kind and position."""
    if isinstance(source, str | Path):
        return str(source)
    return f"{type(source).__name__} {position}"
