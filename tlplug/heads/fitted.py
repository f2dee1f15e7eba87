"""A head that is fitted: predicts from embeddings, and is saved so that predicting needs no plugin of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.backbones import load_keras
from tlplug.errors import OptionError, RunError
from tlplug.features import KERAS_FILE, CompiledBackbone, compile_network
from tlplug.hookspecs import PROJECT
from tlplug.registry import Entry, registry
from tlplug.specs import load_reference, parse_options

ARRAYS = "head.npz"
NETWORK = "head"

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class FittedHead:
    """A head and what it learned.

    Attributes:
        name: of its record.
        predict: embeddings float32 ``[n, size]`` to probabilities float32 ``[n, outputs]``.
        save: writes it into a folder.
        cross_validation: figures on the folds of the training part.
        chosen: settings that the data chose.
        options: as used.
        to_keras: makes a Keras model of it, embedding to probabilities, whose weights are its own.
    """

    name: str
    predict: Predict
    save: Callable[[Path], dict[str, Any]]
    to_keras: Callable[[], Any]
    cross_validation: Mapping[str, float] = field(default_factory=dict)
    chosen: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HeadChoice:
    """A head that is chosen but not fitted: its record, its options as parsed, and the seed of whatever is random."""

    entry: Entry
    options: Mapping[str, Any]
    seed: int = 0

    @classmethod
    def of(cls, name: str, given: Mapping[str, Any], seed: int = 0) -> HeadChoice:
        """Choose a head by name, with options as people give them.

        Raises:
            UnknownNameError: there is no such head.
            OptionError: an option that it does not have, or a value that does not fit; says which heads have it.
        """
        entry = registry().get("head", name)
        try:
            return cls(entry, parse_options("head", entry.record.options, given), seed)
        except OptionError as error:
            others = [e.name for e in registry().entries("head") if given.keys() <= {o.name for o in e.record.options}]
            if not others or entry.name in others:
                raise
            valid = " or ".join(f"--head {other}" for other in others)
            raise OptionError(f"{str(error).rstrip('.')}; or choose another head: {valid}.") from error

    def fit(
        self,
        features: NDArray[np.float32],
        labels: NDArray[np.int64],
        *,
        outputs: int,
        folds: NDArray[np.int64],
    ) -> FittedHead:
        """Fit the head to embeddings; the option ``class_weight="balanced"`` makes every class count the same.

        Args:
            features: float32 ``[n, size]``.
            labels: int64 ``[n]``.
            outputs: number of classes.
            folds: int64 ``[n]``, see `tlplug.Head`.
        """
        record, options = self.entry.record, self.options
        own = {name: value for name, value in options.items() if name != "class_weight"}
        given: dict[str, Any] = {
            "outputs": outputs,
            "folds": folds,
            "sample_weight": self.sample_weight(labels, outputs),
            "seed": self.seed,
        }
        if record.build is not None:
            from tlplug.heads import keras_head

            model, chosen = keras_head.train(self.entry, features, labels, options=own, **given)
            return _of_network(self.entry.name, model, chosen=chosen, options=options)
        fit = load_reference(record.fit)(features, labels, **given, **own)
        arrays = {name: np.asarray(array) for name, array in fit.arrays.items()}
        learned = {"cross_validation": fit.cross_validation, "chosen": fit.chosen, "options": options}
        if self.entry.plugin.distribution != PROJECT:
            # Predicting must not need the plugin, so its head is kept as a network; tlplug's own are always there.
            return _of_network(self.entry.name, load_reference(record.to_keras)(arrays), **learned)
        return _of_arrays(self.entry, arrays, **learned)

    def tuned(self, head: FittedHead, model: Any) -> FittedHead:
        """Return a fitted head with the weights of the Keras model that it was tuned as."""
        record = self.entry.record
        learned = {"cross_validation": head.cross_validation, "chosen": head.chosen, "options": head.options}
        if record.from_keras is None or self.entry.plugin.distribution != PROJECT:
            return _of_network(self.entry.name, model, **learned)
        return _of_arrays(self.entry, load_reference(record.from_keras)(model), **learned)

    def sample_weight(self, labels: NDArray[np.int64], outputs: int) -> NDArray[np.float64]:
        """Return what each example counts, float64 ``[n]``, by the option ``class_weight``."""
        if self.options.get("class_weight") != "balanced":
            return np.ones(len(labels))
        counts = np.bincount(labels, minlength=outputs)
        return np.asarray((len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1)))[labels])


def load_head(folder: Path, about: Mapping[str, Any]) -> Predict:
    """Return the callable of a saved head.

    Args:
        folder: that `FittedHead.save` wrote into.
        about: what it returned.
    """
    if about["form"] == "arrays":
        arrays = _arrays_in(folder)
        apply = load_reference(registry().get("head", f"{PROJECT}/{about['name']}").record.apply)
        return lambda rows: apply(arrays, rows)
    if about["form"] == "network":
        return _predict_with(CompiledBackbone.read(folder / NETWORK))
    raise RunError(f"The head of this run has the form {about['form']!r}, which this tlplug does not know. Upgrade it.")


def load_keras_head(folder: Path, about: Mapping[str, Any]) -> Any:
    """Return a saved head as a Keras model, embeddings to probabilities; see `load_head`."""
    if about["form"] == "arrays":
        record = registry().get("head", f"{PROJECT}/{about['name']}").record
        return load_reference(record.to_keras)(_arrays_in(folder))
    return load_keras(folder / NETWORK / KERAS_FILE)


def _arrays_in(folder: Path) -> dict[str, NDArray[Any]]:
    with np.load(folder / ARRAYS, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _predict_with(network: CompiledBackbone) -> Predict:
    run = network.open()
    (spec,) = network.inputs
    return lambda rows: run({spec.name: np.ascontiguousarray(rows, np.float32)})


def _of_arrays(entry: Entry, arrays: Mapping[str, Any], **fields: Any) -> FittedHead:
    record = entry.record
    apply = load_reference(record.apply)

    def predict(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(apply(arrays, rows), np.float32)

    def save(folder: Path) -> dict[str, Any]:
        np.savez(folder / ARRAYS, allow_pickle=False, **arrays)
        return {"name": entry.name, "form": "arrays"}

    return FittedHead(entry.name, predict, save, lambda: load_reference(record.to_keras)(arrays), **fields)


def _of_network(name: str, model: Any, **fields: Any) -> FittedHead:
    def predict(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(model.predict(rows, verbose=0, batch_size=256), np.float32)

    def save(folder: Path) -> dict[str, Any]:
        compile_network(model, folder / NETWORK, f"the head {name}")
        return {"name": name, "form": "network"}

    return FittedHead(name, predict, save, lambda: model, **fields)
