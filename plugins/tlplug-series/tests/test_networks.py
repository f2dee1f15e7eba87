"""The records of the networks against the networks."""

from __future__ import annotations

import hashlib

import pytest
from tlplug_series.networks import backbones, shipped

from tlplug.specs import load_reference

# Keras hands TensorFlow's variables to NumPy, whose protocol they follow in its old form.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.mark.parametrize("record", backbones(), ids=lambda record: record.name)
def test_a_record_states_what_the_network_is(record):
    build = load_reference(record.build)
    model = build(None)
    assert model.input_shape[1:] == record.input_shape
    assert model.count_params() == record.parameters
    assert model.output.dtype == "float32"
    more = build(None, channels=3)
    assert more.input_shape[1:] == (record.input_shape[0], 3)


@pytest.mark.parametrize("name", ["minirocket", "conv1d", "gru"])
def test_the_shipped_weights_are_small_and_those_that_the_record_states(name):
    (record,) = (record for record in backbones() if record.name == name)
    content = shipped(name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == record.weights["generated"].sha256
    assert len(content) < 300_000


def test_half_precision_keeps_the_scaling_in_full():
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        models = [load_reference(record.build)(None) for record in backbones()]
    finally:
        keras.config.set_dtype_policy("float32")
    for model in models:
        assert model.get_layer("scaled").compute_dtype == "float32"
        assert model.output.dtype == "float32"
