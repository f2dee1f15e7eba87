"""What is in a run's ``model`` folder: load it, and predict with it without TensorFlow."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.data import read_inputs
from tlplug.errors import DamagedRunError, RunError, UsageError, first_line
from tlplug.features import CompiledBackbone, Extractor, Features, PreprocessSpec, Span
from tlplug.heads import FittedHead, load_head, load_keras_head
from tlplug.storage import manifest_problem, read_json, write_json, write_manifest

FORMAT = 1
"""Of model.json; a run with a newer one needs a newer tlplug."""

_ABOUT, _BACKBONE = "model.json", "backbone"


@dataclass(frozen=True)
class Prediction:
    """The answer for one source: a label with its probability, or the reason why there is none.

    A preprocess can add a remark, such as that a text was cut. The answer for a window has the `span` of it: start,
    end and their unit, where the preprocess says so.
    """

    source: str
    label: str | None = None
    probability: float | None = None
    probabilities: Mapping[str, float] | None = None
    error: str | None = None
    remark: str = ""
    span: Span | None = None

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
        if self.remark:
            answer["remark"] = self.remark
        if self.span:
            answer |= dict(zip(("start", "end", "unit"), self.span, strict=True))
        return answer


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

    def predict(
        self,
        inputs: Sequence[Any],
        options: Mapping[str, Any] | None = None,
        *,
        reader: str | None = None,
        earlier: Mapping[str, Any] | None = None,
        windows: bool = False,
    ) -> list[Prediction]:
        """Predict files, folders, patterns, tables, or sources of any other kind that the preprocess takes.

        Args:
            inputs: see `tlplug.data.read_inputs`.
            options: of the reader, for tables.
            reader: name of the reader of files and folders; the surest one when None.
            earlier: what other data were read with, see `tlplug.data.read_inputs`.
            windows: predict each window of a source on its own.

        Raises:
            UsageError: see `tlplug.data.read_inputs`; or there are no windows whose place the preprocess tells.
        """
        examples = read_inputs(inputs, self.modality, options, reader, earlier or {})
        sources = [example.source for example in examples if not example.problem]
        answers = iter(self._by_window(sources) if windows else self._as_a_whole(sources))
        predictions: list[Prediction] = []
        for example in examples:
            found = [Prediction("", error=example.problem)] if example.problem else next(answers)
            predictions += [replace(prediction, source=example.name) for prediction in found]
        return predictions

    def _as_a_whole(self, sources: Sequence[Any]) -> Iterator[list[Prediction]]:
        probabilities, features = self.probabilities(sources)
        for position, row in enumerate(probabilities):
            if position in features.failures:
                yield [Prediction("", error=features.failures[position])]
            else:
                yield [self._answer(row, features.remarks.get(position, ""))]

    def _by_window(self, sources: Sequence[Any]) -> list[list[Prediction]]:
        answers: list[list[Prediction]] = [[] for _ in sources]
        for example in self._extractor.windows(sources):
            if example.rows is None:
                answers[example.position] = [Prediction("", error=example.failure)]
            elif None in example.spans:
                raise UsageError(
                    f"The preprocess {self.preprocess.name!r} of the backbone {self.compiled.about['name']!r} does not "
                    "say where its windows are, so nothing can be predicted for each. Leave out --windows."
                )
            else:
                rows = zip(self.head(np.stack(example.rows)), example.spans, strict=True)
                answers[example.position] = [self._answer(row, example.remark, span) for row, span in rows]
        return answers

    def _answer(self, probabilities: NDArray[np.float32], remark: str, span: Span | None = None) -> Prediction:
        best = int(probabilities.argmax())
        shares = {label: float(value) for label, value in zip(self.classes, probabilities, strict=True)}
        return Prediction("", self.classes[best], float(probabilities[best]), shares, remark=remark, span=span)


def keras_head_of(folder: Path) -> Any:
    """Return the head in a ``model`` folder as a Keras model, embeddings to probabilities; imports TensorFlow."""
    return load_keras_head(folder, read_json(folder / _ABOUT)["head"])
