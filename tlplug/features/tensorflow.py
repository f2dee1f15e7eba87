"""The TensorFlow runtime: Keras itself, for every model that no other runtime takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug.backbones import load_keras, pack_inputs, quiet
from tlplug.errors import PluginError
from tlplug.features.compiled import KERAS_FILE


def compile_model(model: Any, folder: Path) -> None:
    """Save a Keras model as ``model.keras``."""
    model.save(folder / KERAS_FILE)


def open_model(folder: Path) -> Callable[[Mapping[str, NDArray[Any]]], NDArray[np.float32]]:
    """Load ``model.keras`` in safe mode; the result takes a dict of arrays ``[batch, ...]``.

    Raises:
        PluginError: a layer refuses, or its class is not there.
    """
    try:
        model = load_keras(folder / KERAS_FILE)
    except (OSError, MemoryError, PluginError):
        raise
    except Exception as error:
        # Keras says in several lines which layer could not be loaded, and why.
        raise PluginError(f"The network cannot be loaded: {' '.join(str(error).split())[:600]}") from error
    with quiet():
        import tensorflow as tf
    # One trace for every size of a batch; each further one takes seconds and a warning of TensorFlow's.
    taken = {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs}
    forward = tf.function(lambda inputs: model(inputs, training=False), input_signature=[pack_inputs(model, taken)])

    def run(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        inputs = pack_inputs(model, {name: tf.constant(array) for name, array in arrays.items()})
        return np.asarray(forward(inputs).numpy(), np.float32)

    return run
