"""The two pretrained encoders, and the script that makes their weights."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from tlplug_series import networks
from tlplug_series.encoders import LENGTH, build_conv1d, build_gru
from tlplug_series.generated_series import generate
from tlplug_series.pretraining_views import CROP, view

# Keras hands TensorFlow's variables to NumPy, whose protocol they follow in its old form.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

BUILD = {"conv1d": build_conv1d, "gru": build_gru}
SIZES = {"conv1d": 576, "gru": 384}


@pytest.fixture(scope="module", params=BUILD)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def encoder(name):
    return BUILD[name](networks.shipped(name))


@pytest.fixture(scope="module")
def litert(encoder, tmp_path_factory):
    from tlplug.features.litert import compile_model, open_model

    folder = tmp_path_factory.mktemp("litert")
    compile_model(encoder, folder)
    run = open_model(folder)  # without Flex delegate: a loop or any operation that is not LiteRT's own would fail here
    return lambda batch: run({"series": batch})


def batch_of(count, channels=1):
    return generate(count * channels, LENGTH, seed=7).reshape(count, channels, LENGTH).transpose(0, 2, 1).copy()


def test_litert_equals_keras_at_any_batch_size(name, encoder, litert):
    batch = batch_of(5)
    expected = encoder(batch, training=False).numpy()
    assert expected.shape == (5, SIZES[name])
    for size in (1, 5, 3):
        np.testing.assert_allclose(litert(batch[:size]), expected[:size], rtol=0, atol=1e-5 * np.abs(expected).max())


def test_an_embedding_does_not_depend_on_its_neighbours(litert):
    first, second = batch_of(2)[:, None]
    np.testing.assert_array_equal(litert(np.concatenate([first, second]))[0], litert(np.concatenate([first, first]))[0])


@pytest.mark.parametrize(
    "values",
    [np.zeros(LENGTH), np.linspace(-3e38, 3e38, LENGTH), 1e-38 * np.arange(LENGTH), np.eye(1, LENGTH)[0]],
    ids=["constant", "largest numbers", "smallest numbers", "one spike"],
)
def test_extreme_series_give_numbers(litert, values):
    assert np.isfinite(litert(values.astype(np.float32)[None, :, None])).all()


def test_scale_and_shift_change_nothing(encoder):
    batch = batch_of(3)
    np.testing.assert_allclose(encoder(1e4 * batch - 7e3), encoder(batch), rtol=0, atol=0.02)


def test_channels_are_embedded_side_by_side(name, encoder):
    batch = batch_of(2, channels=3)
    together = BUILD[name](networks.shipped(name), channels=3)(batch, training=False).numpy()
    alone = [encoder(batch[:, :, [channel]], training=False).numpy() for channel in range(3)]
    np.testing.assert_allclose(together, np.concatenate(alone, axis=1), rtol=0, atol=1e-4)


def test_random_weights_follow_the_seed_and_train(name):
    import keras
    import tensorflow as tf

    models = []
    for seed in (0, 0, 1):
        keras.utils.set_random_seed(seed)
        models.append(BUILD[name](None))
    batch = batch_of(3)
    first, same, other = (model(batch, training=False).numpy() for model in models)
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 0.01
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(models[0](np.concatenate([batch, np.zeros_like(batch)]), training=True) ** 2)
    gradients = tape.gradient(loss, models[0].trainable_variables)
    assert all(gradient is not None and np.isfinite(gradient.numpy()).all() for gradient in gradients)


def test_it_reloads_in_safe_mode(encoder, tmp_path):
    import keras

    encoder.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    batch = batch_of(2)
    np.testing.assert_array_equal(reloaded(batch, training=False), encoder(batch, training=False))


def test_weights_of_another_network_are_refused_in_one_line(name):
    others = {"conv1d": "gru", "gru": "conv1d"}
    with pytest.raises(ValueError, match=rf"^The weights '{others[name]}.safetensors' do not fit {name}: [^\n]*\.$"):
        BUILD[name](networks.shipped(others[name]))


def test_views_are_other_series_and_the_same_for_the_same_seed():
    series = generate(20, LENGTH, seed=0)
    first, same, other = (view(series, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.shape == series.shape
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).mean() > 0.1
    rising = view(np.tile(np.arange(LENGTH, dtype=np.float32), (5, 1)), np.random.default_rng(0))
    assert rising[:, 0].max() < 1.5 * CROP * LENGTH


def test_the_loss_is_that_of_its_formula():
    from tlplug_series.pretraining import TEMPERATURE, contrast

    embeddings = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    losses = []
    for one in range(6):
        scores = np.exp([unit[one] @ unit[other] / TEMPERATURE for other in range(6)])
        losses.append(-np.log(scores[(one + 3) % 6] / (scores.sum() - scores[one])))
    np.testing.assert_allclose(float(contrast(embeddings)), np.mean(losses), rtol=1e-5)


@pytest.mark.slow
def test_pretraining_gives_the_same_weights_again(tmp_path):
    """In a process of its own: what makes TensorFlow deterministic holds for all that comes after."""
    source = (
        "import sys; from pathlib import Path; from tlplug_series.pretraining import pretrain, save;"
        "[save(pretrain(name, series=300, steps=3), Path(sys.argv[1]) / f'{name}{run}')"
        " for name in ('conv1d', 'gru') for run in (1, 2)]"
    )
    done = subprocess.run([sys.executable, "-c", source, str(tmp_path)], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("conv1d: step 0 of 3, loss ")
    for name, build in BUILD.items():
        assert (tmp_path / f"{name}1").read_bytes() == (tmp_path / f"{name}2").read_bytes()
        build(tmp_path / f"{name}1")
