"""Fracast against the original, in Keras and in LiteRT."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tlplug_series import networks
from tlplug_series.fracast import build

from tlplug.plugins import Plugin
from tlplug.registry import Entry
from tlplug.weights import WeightsStore

# Keras hands TensorFlow's variables to NumPy, whose protocol they follow in its old form.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

GOLDEN = json.loads((Path(__file__).parent / "data" / "fracast.json").read_text())["items"]
TIME = np.arange(600)
SERIES = (
    np.sin(2 * np.pi * TIME / 24),
    np.sin(2 * np.pi * TIME / 24) + 0.5 * np.sin(2 * np.pi * TIME / 7) + TIME / 600,
)
"""What the golden states are of, by their formulas."""


def padded(*series, length=2048):
    batch = np.full((len(series), length, 1), np.nan, np.float32)
    for row, values in zip(batch, series, strict=True):
        row[-len(values) :, 0] = values
    return batch


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """The default weight set, fetched through tlplug's own store; between test runs TLPLUG_TEST_CACHE keeps it."""
    shared = os.environ.get("TLPLUG_TEST_CACHE")
    folder = Path(shared) if shared else tmp_path_factory.mktemp("cache")
    record = networks.backbones()[0]
    entry = Entry("backbone", record, Plugin("series", "tlplug-series", "0.1.0"))
    return WeightsStore(folder / "weights").get(entry, "forecasting").path


@pytest.fixture(scope="module")
def fracast(weights):
    return build(weights)


@pytest.fixture(scope="module")
def litert(fracast, tmp_path_factory):
    from tlplug.features.litert import compile_model, open_model

    folder = tmp_path_factory.mktemp("litert")
    compile_model(fracast, folder)
    run = open_model(folder)  # without Flex delegate: an operation that is not LiteRT's own would fail here
    return lambda batch: run({"series": batch})


def test_it_equals_the_original(fracast, litert):
    batch = padded(*SERIES)
    for embeddings in (fracast(batch, training=False).numpy(), litert(batch)):
        for embedding, golden in zip(embeddings, GOLDEN, strict=True):
            mean, _, last, _, _ = np.split(embedding, 5)
            # Measured: 1.0e-6 and 1.5e-6; the file has six decimals.
            np.testing.assert_allclose(mean, golden["mean"], rtol=0, atol=1e-5)
            np.testing.assert_allclose(last, golden["last"], rtol=0, atol=1e-5)


def test_the_statistics_are_those_of_the_steps_that_are_there(fracast):
    import keras

    batch = padded(*SERIES)
    states = keras.Model(fracast.input, fracast.get_layer("states").output)(batch, training=False).numpy()[:, -600:]
    parts = [states.mean(1), states.std(1), states[:, -1], states.max(1), states.min(1)]
    np.testing.assert_allclose(fracast(batch, training=False), np.concatenate(parts, 1), rtol=0, atol=1e-5)


def test_litert_equals_keras_at_any_batch_size(fracast, litert):
    batch = np.random.default_rng(0).uniform(-1, 1, (5, 2048, 1)).astype(np.float32)
    expected = fracast(batch, training=False).numpy()
    for size in (1, 5, 3):
        np.testing.assert_allclose(litert(batch[:size]), expected[:size], rtol=0, atol=3e-5)


def test_an_embedding_does_not_depend_on_its_neighbours(litert):
    first, second = padded(SERIES[0]), padded(SERIES[1])
    np.testing.assert_array_equal(litert(np.concatenate([first, second]))[0], litert(np.concatenate([first, first]))[0])


def test_scale_and_shift_change_nothing(fracast):
    batch = padded(SERIES[1])
    np.testing.assert_allclose(fracast(1e6 * batch - 7e5), fracast(batch), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    "values",
    [np.zeros(2048), np.full(3, 7.0), np.ones(1), np.linspace(-3e38, 3e38, 500), 1e-38 * np.arange(50.0)],
    ids=["zeros", "constant", "one step", "largest numbers", "smallest numbers"],
)
def test_extreme_series_give_numbers(litert, values):
    assert np.isfinite(litert(padded(values))).all()


def test_channels_are_embedded_side_by_side(weights, fracast):
    batch = padded(*SERIES)
    together = build(weights, channels=2)(np.concatenate([batch[:1], batch[1:]], axis=2), training=False).numpy()
    np.testing.assert_allclose(together, fracast(batch, training=False).numpy().reshape(1, -1), rtol=0, atol=1e-5)


def test_a_shorter_window_sees_the_last_steps(weights):
    model = build(weights, length=256)
    assert model.input_shape == (None, 256, 1)
    assert np.isfinite(model(padded(SERIES[0][:100], length=256), training=False)).all()


def test_it_trains_and_constant_series_have_a_finite_gradient():
    import tensorflow as tf

    model = build(None, length=64)
    batch = tf.constant(np.concatenate([padded(np.ones(10), length=64), padded(SERIES[1][:64], length=64)]))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(batch, training=True) ** 2)
    gradients = tape.gradient(loss, model.trainable_variables)
    assert len(gradients) == 17
    assert all(gradient is not None and np.isfinite(gradient.numpy()).all() for gradient in gradients)


def test_it_reloads_in_safe_mode_in_another_process(fracast, tmp_path):
    fracast.save(tmp_path / "model.keras")
    np.save(tmp_path / "batch.npy", padded(*SERIES))
    source = (
        "import sys, keras, numpy as np, tlplug_series.fracast_layers;"
        "model = keras.saving.load_model(sys.argv[1] + '/model.keras', safe_mode=True);"
        "np.save(sys.argv[1] + '/out.npy', model(np.load(sys.argv[1] + '/batch.npy'), training=False).numpy())"
    )
    subprocess.run([sys.executable, "-c", source, str(tmp_path)], check=True, capture_output=True)
    expected = fracast(padded(*SERIES), training=False).numpy()
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, rtol=0, atol=1e-6)


def test_damaged_weights_are_refused_in_one_line(weights, tmp_path):
    from safetensors.numpy import load_file, save_file

    tensors = load_file(weights)
    (tmp_path / "cut.safetensors").write_bytes(weights.read_bytes()[:100_000])
    (tmp_path / "text.safetensors").write_text("no weights")
    save_file({**tensors, "core.norm.weight": np.zeros(3, np.float32)}, tmp_path / "shape.safetensors")
    save_file({"other": np.zeros(3, np.float32)}, tmp_path / "other.safetensors")
    for name in ("cut", "text", "shape", "other", "missing"):
        with pytest.raises(ValueError, match=rf"^The weights '{name}.safetensors' do not fit fracast: [^\n]*\.$"):
            build(tmp_path / f"{name}.safetensors")
