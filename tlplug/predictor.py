"""What is in a run's ``model`` folder: load it, and predict with it without TensorFlow."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.data import read_inputs
from tlplug.errors import DamagedRunError, RunError, first_line
from tlplug.features import CompiledBackbone, Extractor, Features, PreprocessSpec
from tlplug.heads import FittedHead, load_head
from tlplug.storage import manifest_problem, read_json, write_json, write_manifest

FORMAT = 1
"""Of model.json; a run with a newer one needs a newer tlplug."""

_ABOUT, _BACKBONE = "model.json", "backbone"


@dataclass(frozen=True)
class Prediction:
    """The answer for one source: a label with its probability, or the reason why there is none.

    A preprocess can add a remark, such as that a text was cut.
    """

    source: str
    label: str | None = None
    probability: float | None = None
    probabilities: Mapping[str, float] | None = None
    error: str | None = None
    remark: str = ""

    def to_json(self) -> dict[str, Any]:
        """The form that ``predict --json`` gives."""
        if self.error is not None:
            return {"source": self.source, "error": self.error}
        answer = {
            "source": self.source,
            "label": self.label,
            "probability": self.probability,
            "probabilities": dict(self.probabilities or {}),
        }
        return {**answer, "remark": self.remark} if self.remark else answer


@dataclass(frozen=True)
class Predictor:
    """A preprocess, a compiled backbone and a head, with the class names."""

    modality: str
    classes: tuple[str, ...]
    compiled: CompiledBackbone
    preprocess: PreprocessSpec
    head: Any  # embeddings float32 [n, size] -> probabilities float32 [n, classes]

    @functools.cached_property
    def _extractor(self) -> Extractor:
        """Opened once, however often is predicted."""
        return Extractor(self.compiled, self.preprocess)

    @classmethod
    def load(cls, folder: Path) -> Predictor:
        """Load a ``model`` folder.

        Raises:
            DamagedRunError: it is none, or its files are not as they were written.
            RunError: it needs a newer tlplug.
        """
        if problem := manifest_problem(folder):
            raise DamagedRunError(
                f"The model in {str(folder)!r} cannot be used: {problem}. Train again, or restore the folder."
            )
        try:
            about = read_json(folder / _ABOUT)
            if about["format"] > FORMAT:
                raise RunError(
                    f"The model in {str(folder)!r} was made by a newer tlplug: pip install --upgrade tlplug."
                )
            return cls(
                modality=about["modality"],
                classes=tuple(about["classes"]),
                compiled=CompiledBackbone.read(folder / _BACKBONE),
                preprocess=PreprocessSpec(**about["preprocess"]),
                head=load_head(folder, about["head"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DamagedRunError(f"The model in {str(folder)!r} cannot be read: {first_line(error)}.") from error

    def save(self, folder: Path, head: FittedHead) -> None:
        """Write the ``model`` folder; `head` is the one that this predictor predicts with."""
        folder.mkdir(parents=True)
        shutil.copytree(self.compiled.folder, folder / _BACKBONE)
        values = {
            "format": FORMAT,
            "modality": self.modality,
            "classes": list(self.classes),
            "preprocess": self.preprocess.to_json(),
            "head": head.save(folder),
        }
        write_json(folder / _ABOUT, values)
        write_manifest(folder)

    def probabilities(
        self, sources: Sequence[Any], digests: Sequence[bytes] | None = None
    ) -> tuple[NDArray[np.float32], Features]:
        """Return float32 ``[n, classes]``, NaN where a source could not be read, and the features: they say why.

        With the digests of their content, embeddings are looked up in the store and new ones are kept there.
        """
        extractor = self._extractor if digests is None else self._extractor.keeping()
        features = extractor.all(sources, digests)
        result = np.full((len(sources), len(self.classes)), np.nan, np.float32)
        readable = np.array([position not in features.failures for position in range(len(sources))], bool)
        if readable.any():
            result[readable] = self.head(features.embeddings[readable])
        return result, features

    def predict(self, inputs: Sequence[Any], options: Mapping[str, Any] | None = None) -> list[Prediction]:
        """Predict files, folders, patterns, tables, or sources of any other kind that the preprocess takes.

        Args:
            inputs: see `tlplug.data.read_inputs`.
            options: of the reader, for tables.
        """
        examples = read_inputs(inputs, self.modality, options)
        usable = [example for example in examples if not example.problem]
        probabilities, features = self.probabilities([example.source for example in usable])
        rows = iter(enumerate(probabilities))
        predictions = []
        for example in examples:
            name = example.name
            if example.problem:
                predictions.append(Prediction(name, error=example.problem))
                continue
            position, row = next(rows)
            if position in features.failures:
                predictions.append(Prediction(name, error=features.failures[position]))
                continue
            best = int(row.argmax())
            shares = {label: float(value) for label, value in zip(self.classes, row, strict=True)}
            remark = features.remarks.get(position, "")
            predictions.append(Prediction(name, self.classes[best], float(row[best]), shares, remark=remark))
        return predictions
