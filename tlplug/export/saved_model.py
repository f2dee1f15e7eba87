"""The format ``savedmodel``: raw sources and prepared arrays in one program of plain TensorFlow."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tlplug.backbones import quiet
from tlplug.export.network import Exportable
from tlplug.specs import Tolerance

RAW, ARRAYS, ANSWER = "serving_default", "arrays", "probabilities"
"""The two signatures, and what both return."""

LABELS = "labels.txt"
"""The asset with the class names, one a line."""


def export(model: Exportable, path: Path, options: Mapping[str, Any]) -> Tolerance:  # noqa: ARG001 - has none
    """Write a SavedModel with the signatures ``serving_default``, for raw sources, and ``arrays``.

    Where the preprocess has no graph, ``serving_default`` takes arrays as well.
    """
    import tensorflow as tf

    def answer(arrays: Mapping[str, Any]) -> dict[str, Any]:
        return {ANSWER: model.answer(arrays)}

    with quiet(), tempfile.TemporaryDirectory(prefix="tlplug-labels-") as folder:
        labels = Path(folder) / LABELS
        labels.write_bytes(model.labels)
        arrays = tf.function(answer, input_signature=[model.specs], autograph=False)
        signatures = {ARRAYS: arrays, RAW: arrays}
        program = tf.Module()
        program.labels = tf.saved_model.Asset(str(labels))
        if raw := model.raw:
            served = tf.function(lambda given: {ANSWER: raw.answer(given)}, input_signature=[raw.spec], autograph=False)
            signatures[RAW] = served
            program.graph = raw.graph
        # What the functions use must hang on the program; Keras' own objects would write their variables once more.
        program.held = [list(_variables(function)) for function in signatures.values()]
        program.resources = list(_resources(model.network))
        how = tf.saved_model.SaveOptions(experimental_debug_stripper=True)
        tf.saved_model.save(program, str(path), signatures=signatures, options=how)
    return Tolerance()


def _variables(function: Any) -> Iterator[Any]:
    """Yield the variables that a function of TensorFlow reads, those that are constants in it left out."""
    concrete = function.get_concrete_function()
    read = {id(tensor) for tensor in concrete.captured_inputs}
    return (variable for variable in concrete.variables if id(variable.handle) in read)


def _resources(network: Any) -> Iterator[Any]:
    """Yield what layers that are not Keras' own hold of TensorFlow's, such as tables and loaded programs."""
    import keras
    import tensorflow as tf

    for layer in network._flatten_layers(include_self=False):
        if type(layer).__module__.startswith("keras."):
            continue
        for value in keras.tree.flatten(dict(vars(layer))):
            trackable = isinstance(value, tf.__internal__.tracking.Trackable)
            if trackable and not isinstance(value, keras.layers.Layer | keras.Variable | tf.Variable):
                yield value
