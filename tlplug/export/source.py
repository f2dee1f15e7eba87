"""What an export is made from: a run's model, its examples, and what is known of how it was made."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.backbones import ArraySpec
from tlplug.errors import PluginError, first_line
from tlplug.export.examples import EXAMPLES, StoredExample, read_examples, write_examples
from tlplug.features import windows_of, without_notes
from tlplug.predictor import Predictor
from tlplug.run import MODEL
from tlplug.training import Training

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class ExportSource:
    """A run, as exports see it.

    Attributes:
        predictor: what answers.
        model: its folder.
        info: how it was made, as in run.json.
        held_out: the examples that the export is proven on.
        training: some that it was fitted on.
        all_held_out: how many held-out ones the run was measured on.
    """

    predictor: Predictor
    model: Path
    info: Mapping[str, Any]
    held_out: Sequence[StoredExample]
    training: Sequence[StoredExample]
    all_held_out: int

    @classmethod
    def of_run(cls, run: Path, info: Mapping[str, Any], predictor: Predictor) -> ExportSource:
        """Read the examples of a run.

        Args:
            run: its folder.
            info: what run.json holds.
            predictor: loaded from it.

        Raises:
            DamagedRunError: they are not as they were written.
        """
        held_out, training, count = read_examples(run / EXAMPLES)
        return cls(predictor, run / MODEL, info, held_out, training, count)

    @classmethod
    def of_training(cls, training: Training, info: Mapping[str, Any], folder: Path) -> ExportSource:
        """Write of a training, into an empty folder, what a run would have, and read it again.

        Args:
            training: what it gave.
            info: what run.json would hold.
            folder: where.
        """
        training.predictor.save(folder / MODEL, training.head)
        write_examples(folder / EXAMPLES, training.data, info["seed"])
        return cls.of_run(folder, info, Predictor.load(folder / MODEL))

    def arrays(self, example: StoredExample) -> Arrays:
        """Return what the preprocess makes of an example, ``[windows, ...]`` by the names of `inputs`.

        Raises:
            PluginError: it refuses what it took in training.
        """
        windows = self._windows(example)
        stacked = _stacked([self.predictor.compiled.prepare(window) for window in windows])
        return dict(zip(self._names, stacked.values(), strict=True))

    @functools.cached_property
    def inputs(self) -> tuple[ArraySpec, ...]:
        """What the network takes, under the names of the preprocess."""
        specs = self.predictor.compiled.inputs
        return tuple(replace(spec, name=name) for spec, name in zip(specs, self._names, strict=True))

    @functools.cached_property
    def cut(self) -> bool:
        """Whether an example is cut into windows."""
        return not isinstance(self._made(self.held_out[0]), Mapping)

    @functools.cached_property
    def _names(self) -> list[str]:
        # A single array is called what the preprocess calls it, which is not always what the network does.
        inputs = self.predictor.compiled.inputs
        return list(self._windows(self.held_out[0])[0]) if len(inputs) == 1 else [spec.name for spec in inputs]

    def _windows(self, example: StoredExample) -> list[Mapping[str, Any]]:
        return [without_notes(window) for window in windows_of(self._made(example))]

    def _made(self, example: StoredExample) -> Any:
        try:
            return self._preprocess(example.source)
        except ValueError as error:
            raise PluginError(f"An example that the run keeps cannot be read: {first_line(error)}") from error

    @functools.cached_property
    def _preprocess(self) -> Callable[[Any], Any]:
        compiled = self.predictor.compiled
        return self.predictor.preprocess.make({name: compiled.file(name) for name in compiled.files})


def _stacked(windows: Sequence[Mapping[str, NDArray[Any]]]) -> Arrays:
    """Put the windows of an example together, shorter ones filled up with zeros at their end."""
    stacked = {}
    for name, first in windows[0].items():
        parts = [window[name] for window in windows]
        shape = [max(lengths) for lengths in zip(*(part.shape for part in parts), strict=True)]
        whole = np.zeros((len(parts), *shape), first.dtype)
        for number, part in enumerate(parts):
            place: tuple[Any, ...] = (number, *map(slice, part.shape), ...)
            whole[place] = part
        stacked[name] = whole
    return stacked
