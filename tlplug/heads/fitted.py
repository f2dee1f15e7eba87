"""A head that is fitted: predicts from embeddings, and is saved so that predicting needs no plugin of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.errors import RunError
from tlplug.features import CompiledBackbone, compile_network
from tlplug.hookspecs import PROJECT
from tlplug.registry import Entry, registry
from tlplug.specs import load_reference

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
    """

    name: str
    predict: Predict
    save: Callable[[Path], dict[str, Any]]
    cross_validation: Mapping[str, float] = field(default_factory=dict)
    chosen: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


def fit_head(
    entry: Entry,
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    outputs: int,
    folds: NDArray[np.int64],
    options: Mapping[str, Any],
    seed: int = 0,
) -> FittedHead:
    """Fit a head to embeddings.

    Args:
        entry: the head.
        features: float32 ``[n, size]``.
        labels: int64 ``[n]``.
        outputs: number of classes.
        folds: int64 ``[n]``, see `tlplug.Head`.
        options: parsed; ``class_weight="balanced"`` makes every class count the same.
        seed: of whatever is random.
    """
    weight = np.ones(len(labels))
    if options.get("class_weight") == "balanced":
        counts = np.bincount(labels, minlength=outputs)
        weight = (len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1)))[labels]
    own = {name: value for name, value in options.items() if name != "class_weight"}
    if entry.record.build is not None:
        from tlplug.heads import keras_head

        model, chosen = keras_head.train(
            entry, features, labels, outputs=outputs, folds=folds, sample_weight=weight, seed=seed, options=own
        )
        return _of_network(entry, model, chosen=chosen, options=options)
    fit = load_reference(entry.record.fit)(
        features, labels, outputs=outputs, folds=folds, sample_weight=weight, seed=seed, **own
    )
    arrays = {name: np.asarray(array) for name, array in fit.arrays.items()}
    common = {"cross_validation": fit.cross_validation, "chosen": fit.chosen, "options": options}
    if entry.plugin.distribution != PROJECT:
        # Predicting must not need the plugin, so its head is kept as a network; tlplug's own are always there.
        return _of_network(entry, load_reference(entry.record.to_keras)(arrays), **common)
    apply = load_reference(entry.record.apply)

    def save(folder: Path) -> dict[str, Any]:
        np.savez(folder / ARRAYS, allow_pickle=False, **arrays)
        return {"name": entry.name, "form": "arrays"}

    return FittedHead(entry.name, lambda rows: apply(arrays, rows), save, **common)


def load_head(folder: Path, about: Mapping[str, Any]) -> Predict:
    """Return the callable of a saved head.

    Args:
        folder: that `FittedHead.save` wrote into.
        about: what it returned.
    """
    if about["form"] == "arrays":
        with np.load(folder / ARRAYS, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        apply = load_reference(registry().get("head", f"{PROJECT}/{about['name']}").record.apply)
        return lambda rows: apply(arrays, rows)
    if about["form"] == "network":
        return _predict_with(CompiledBackbone.read(folder / NETWORK))
    raise RunError(f"The head of this run has the form {about['form']!r}, which this tlplug does not know. Upgrade it.")


def _predict_with(network: CompiledBackbone) -> Predict:
    run = network.open()
    (spec,) = network.inputs
    return lambda rows: run({spec.name: np.ascontiguousarray(rows, np.float32)})


def _of_network(entry: Entry, model: Any, **fields: Any) -> FittedHead:
    def predict(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(model.predict(rows, verbose=0, batch_size=256), np.float32)

    def save(folder: Path) -> dict[str, Any]:
        compile_network(model, folder / NETWORK, f"the head {entry.name}")
        return {"name": entry.name, "form": "network"}

    return FittedHead(entry.name, predict, save, **fields)
