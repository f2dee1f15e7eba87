"""LiteRT files with their large weights in float16."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from tlplug.backbones import import_keras, quiet
from tlplug.export.halving import LEAST, halve_weights

WAVES = np.random.default_rng(1).normal(size=(64, 80)).astype(np.float32)
"""A constant that is no weight, though as large as those that are halved."""

UNITS = 100


@pytest.fixture(scope="module")
def network():
    keras = import_keras()
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((64,), name="values")
    x = keras.ops.matmul(x, keras.ops.convert_to_tensor(WAVES))
    x = keras.layers.Dense(UNITS, activation="relu")(x)
    return keras.Model(inputs, keras.layers.Dense(10, bias_initializer="normal")(x))


def answers(path, rows):
    from ai_edge_litert.interpreter import Interpreter

    (values,) = Interpreter(str(path)).get_signature_runner()(values=rows).values()
    return values


def kinds(path):
    """How many constants there are of each kind and size."""
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    return sorted(
        (flatbuffer_utils.type_to_name(tensor.type), int(np.prod(tensor.shape)))
        for graph in model.subgraphs
        for tensor in graph.tensors
        if model.buffers[tensor.buffer].data is not None and tensor.type != 2  # numbers of rows and the like
    )


def test_large_weights_are_rounded_and_nothing_else(network, tmp_path):
    path = tmp_path / "model.tflite"
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the converter itself calls
        network.export(str(path), format="litert", verbose=False)
    rows = np.random.default_rng(0).normal(size=(5, 64)).astype(np.float32)
    np.testing.assert_allclose(answers(path, rows), network.predict_on_batch(rows), atol=1e-4)
    size, before = path.stat().st_size, kinds(path)
    halve_weights(path, {weight.size for weight in network.get_weights()})
    large = 80 * UNITS
    assert large > WAVES.size > LEAST > 10 * UNITS
    after = [("FLOAT16", n) if n == large and kind == "FLOAT32" else (kind, n) for kind, n in before]
    assert kinds(path) == sorted(after)
    assert path.stat().st_size < size - 1.8 * large
    kernel, *others = network.get_weights()
    network.set_weights([kernel.astype(np.float16), *others])
    np.testing.assert_allclose(answers(path, rows), network.predict_on_batch(rows), atol=1e-4)
    network.set_weights([kernel, *others])
    assert np.abs(answers(path, rows) - network.predict_on_batch(rows)).max() > 1e-4
