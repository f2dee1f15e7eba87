"""A model's answers on labelled examples, and what follows from them."""

from __future__ import annotations

import collections
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.data import Dataset
from tlplug.errors import DataError
from tlplug.evaluation.metrics import classification_metrics
from tlplug.storage import open_text, replace_file


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The answers on some examples.

    Attributes:
        data: the examples that could be read.
        probabilities: float32 ``[n, classes]``.
        failures: what could not be read, and why, by source.
    """

    data: Dataset
    probabilities: NDArray[np.float32]
    failures: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, data: Dataset, probabilities: NDArray[np.float32], failures: Mapping[int, str]) -> Evaluation:
        """Leave out the examples that could not be read.

        Raises:
            DataError: none could.
        """
        readable = np.array([position not in failures for position in range(len(data))], bool)
        named = {data.name(position): reason for position, reason in failures.items()}
        if not readable.any():
            name, reason = next(iter(named.items()), ("", "no examples"))
            raise DataError(f"No example of {data.origin!r} can be read: {name} {reason}.")
        return cls(data.take(readable), probabilities[readable], named)

    @property
    def predictions(self) -> NDArray[np.int64]:
        """Positions of the predicted classes, int64 ``[n]``."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The figures, as in metrics.json."""
        return classification_metrics(self.data.labels, self.probabilities, self.data.classes)

    def worst_mistakes(self, most: int = 12) -> list[int]:
        """Positions of the wrong answers that were given with the most confidence."""
        wrong = np.flatnonzero(self.predictions != self.data.labels)
        order = np.argsort(-self.probabilities[wrong].max(axis=1), kind="stable")
        return [int(position) for position in wrong[order][:most]]

    def confusions(self, most: int = 10) -> list[dict[str, Any]]:
        """The most frequent wrong answers: ``label``, ``prediction``, and the number of ``examples``."""
        pairs = collections.Counter(
            (int(label), int(answer))
            for label, answer in zip(self.data.labels, self.predictions, strict=True)
            if label != answer
        )
        classes = self.data.classes
        return [
            {"label": classes[label], "prediction": classes[answer], "examples": count}
            for (label, answer), count in sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:most]
        ]

    def write_csv(self, path: Path) -> None:
        """Write one row an example: source, label, prediction, probability, and the probability of each class."""
        classes: Sequence[str] = self.data.classes
        with replace_file(path) as temporary, open_text(temporary) as file:
            writer = csv.writer(file)
            writer.writerow(
                ["source", "label", "prediction", "probability", *(f"probability of {name}" for name in classes)]
            )
            for position, (label, answer) in enumerate(zip(self.data.labels, self.predictions, strict=True)):
                row = self.probabilities[position]
                values = [f"{value:.6f}" for value in row]
                writer.writerow([self.data.name(position), classes[label], classes[answer], values[answer], *values])
