"""What an export is made from: a run's model, its examples, and what is known of how it was made."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
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
class Prepared:
    """What the preprocess makes of the examples that a run keeps.

    Attributes:
        held_out, training: arrays ``[windows, ...]`` of each example, by the preprocess' names.
        inputs: what the network takes, under these names.
        windows: whether an example is cut into windows.
    """

    held_out: Sequence[Arrays]
    training: Sequence[Arrays]
    inputs: tuple[ArraySpec, ...]
    windows: bool


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

    @functools.cached_property
    def prepared(self) -> Prepared:
        """What the preprocess makes of the examples.

        Raises:
            PluginError: the preprocess refuses what it took in training.
        """
        compiled, preprocess = self.predictor.compiled, self.predictor.preprocess
        make = preprocess.make({name: compiled.file(name) for name in compiled.files})
        calls, windows, names = list[Arrays](), False, list[str]()
        for example in (*self.held_out, *self.training):
            try:
                made = make(example.source)
            except ValueError as error:
                raise PluginError(f"An example that the run keeps cannot be read: {first_line(error)}") from error
            windows = not isinstance(made, Mapping)
            parts = [without_notes(window) for window in windows_of(made)]
            # A single array is called what the preprocess calls it, which is not always what the network does.
            names = list(parts[0]) if len(compiled.inputs) == 1 else [spec.name for spec in compiled.inputs]
            stacked = _stacked([compiled.prepare(part) for part in parts])
            calls.append(dict(zip(names, stacked.values(), strict=True)))
        inputs = [replace(spec, name=name) for spec, name in zip(compiled.inputs, names, strict=True)]
        count = len(self.held_out)
        return Prepared(calls[:count], calls[count:], tuple(inputs), windows)


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
