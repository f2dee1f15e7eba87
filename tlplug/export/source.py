"""What an export is made from: a run's model, its examples, and what is known of how it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.errors import PluginError, first_line
from tlplug.export.examples import StoredExample, read_examples
from tlplug.features import windows_of, without_notes
from tlplug.predictor import Predictor

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
    def of(cls, model: Path, examples: Path, info: Mapping[str, Any]) -> ExportSource:
        """Load a run's model, and read its examples.

        Args:
            model, examples: the run's folders.
            info: what run.json holds.

        Raises:
            DamagedRunError: they are not as they were written.
        """
        held_out, training, count = read_examples(examples)
        return cls(Predictor.load(model), model, info, held_out, training, count)

    def arrays_of(self, examples: Sequence[StoredExample]) -> tuple[list[Arrays], bool]:
        """Return what the preprocess makes of examples: arrays ``[windows, ...]`` of each, and whether it cuts windows.

        Raises:
            PluginError: the preprocess refuses what it took in training.
        """
        compiled, preprocess = self.predictor.compiled, self.predictor.preprocess
        make = preprocess.make({name: compiled.file(name) for name in compiled.files})
        found, windows = list[Arrays](), False
        for example in examples:
            try:
                made = make(example.source)
            except ValueError as error:
                raise PluginError(f"An example that the run keeps cannot be read: {first_line(error)}") from error
            windows = not isinstance(made, Mapping)
            found.append(_stacked([compiled.prepare(without_notes(window)) for window in windows_of(made)]))
        return found, windows


def _stacked(windows: Sequence[Mapping[str, NDArray[Any]]]) -> Arrays:
    """Put the windows of an example together, shorter ones filled up with zeros at their end."""
    stacked = {}
    for name, first in windows[0].items():
        parts = [window[name] for window in windows]
        shape = [max(lengths) for lengths in zip(*(part.shape for part in parts), strict=True)]
        whole = np.zeros((len(parts), *shape), first.dtype)
        for number, part in enumerate(parts):
            whole[number][tuple(slice(length) for length in part.shape)] = part
        stacked[name] = whole
    return stacked
