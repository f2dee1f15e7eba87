"""MiniRocket against a computation of its own, step by step with NumPy, and in LiteRT."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from tlplug_series import minirocket_fit, networks
from tlplug_series.generated_series import generate
from tlplug_series.minirocket import LENGTH, build
from tlplug_series.minirocket_kernels import KERNELS, channel_shares, dilations, kernels

# Keras hands TensorFlow's variables to NumPy, whose protocol they follow in its old form.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

WEIGHTS = networks.shipped("minirocket")


@pytest.fixture(scope="module")
def minirocket():
    return build(WEIGHTS)


@pytest.fixture(scope="module")
def litert(minirocket, tmp_path_factory):
    from tlplug.features.litert import compile_model, open_model

    folder = tmp_path_factory.mktemp("litert")
    compile_model(minirocket, folder)
    run = open_model(folder)
    return lambda batch: run({"series": batch})


def proportions(series, biases, *, ramp):
    """The features of one series ``[length]``, written down kernel by kernel, before they are scaled."""
    series = (series - series.mean()) / series.std()
    length, features, position = len(series), [], 0
    for place, (dilation, count) in enumerate(dilations(length)):
        results = []
        for chosen in combinations(range(9), 3):
            result = np.zeros(length)
            for tap in range(9):
                weight = 2 if tap in chosen else -1
                for step in range(length):
                    if 0 <= (at := step + (tap - 4) * dilation) < length:
                        result[step] += weight * series[at]
            results.append(result)
        results = np.array(results)
        results /= np.sqrt(np.mean(results**2) + 1e-6)
        for padded in (True, False):
            numbers = [kernel for kernel in range(84) if ((place + kernel) % 2 == 0) == padded]
            for _ in range(count):
                for kernel in numbers:
                    inside = results[kernel] if padded else results[kernel][4 * dilation : length - 4 * dilation]
                    above = (inside - biases[position]) / ramp + 0.5 if ramp else inside > biases[position]
                    features.append(np.clip(above, 0, 1).mean())
                    position += 1
    return np.array(features)


def scaled(features, deviations):
    start = 0
    for place, (_, count) in enumerate(dilations(LENGTH)):
        for part in range(2):
            features[start : start + count * 42] /= deviations[place, part]
            start += count * 42
    return features


@pytest.mark.parametrize("number", [0, pytest.param(5, marks=pytest.mark.slow)])
def test_it_equals_a_computation_step_by_step(minirocket, number):
    series = generate(number + 1, LENGTH, seed=9)[number]
    biases, deviations = minirocket.get_layer("proportions").get_weights()
    features = minirocket(100 + 7 * series[None, :, None], training=False).numpy()[0]
    expected = scaled(proportions(series.astype(float), biases, ramp=0.1), deviations)
    np.testing.assert_allclose(features, expected, rtol=0, atol=2e-3)
    # With hard steps, as in the paper, hardly anything changes.
    hard = scaled(proportions(series.astype(float), biases, ramp=0), deviations)
    assert np.corrcoef(features, hard)[0, 1] > 0.999


def test_kernels_dilations_and_features_are_those_of_the_paper(minirocket):
    for place in (0, 1):
        values = kernels(place)
        assert values.shape == (9, 84)
        assert len(np.unique(values, axis=1).T) == 84
        np.testing.assert_array_equal(values.sum(axis=0), 0)
    for length in (9, 24, 150, 512, 5000):
        found = dilations(length)
        assert sum(count for _, count in found) == 119
        assert found[0][0] == 1
        assert 8 * found[-1][0] <= length - 1
    assert minirocket.output_shape == (None, 84 * 119)


def test_litert_equals_keras_at_any_batch_size(minirocket, litert):
    chance = np.random.default_rng(0)
    batch = np.concatenate(
        [chance.uniform(-1, 1, (4, LENGTH, 1)), generate(4, LENGTH, seed=3)[..., None]], dtype=np.float32
    )
    expected = minirocket(batch, training=False).numpy()
    for size in (1, 8, 3):
        np.testing.assert_allclose(litert(batch[:size]), expected[:size], rtol=0, atol=1e-4)
    np.testing.assert_array_equal(litert(batch[:1])[0], litert(batch)[0])


@pytest.mark.parametrize(
    "values",
    [np.zeros(LENGTH), np.linspace(-3e38, 3e38, LENGTH), 1e-38 * np.arange(LENGTH), np.eye(1, LENGTH)[0]],
    ids=["constant", "largest numbers", "smallest numbers", "one spike"],
)
def test_extreme_series_give_numbers(litert, values):
    assert np.isfinite(litert(values.astype(np.float32)[None, :, None])).all()


def test_each_kernel_sees_some_channels_the_same_every_time():
    shares = channel_shares(20, 3)
    np.testing.assert_array_equal(shares, channel_shares(20, 3))
    taken = (shares > 0).sum(axis=1)
    assert taken.min() == 1
    assert taken.max() == 9
    np.testing.assert_allclose((shares**2).sum(axis=1), 1, rtol=1e-6)
    assert (shares > 0).any(axis=2).all()  # no channel is left out
    np.testing.assert_array_equal(channel_shares(1, 2), np.ones((2, 1, KERNELS)))


def test_several_channels_are_seen_together():
    series = generate(2, LENGTH, seed=4)[..., None]
    model = build(WEIGHTS, channels=3)
    assert model.output_shape == (None, 9996)
    assert np.isfinite(model(np.repeat(series, 3, axis=2))).all()
    first, second = (
        model(np.concatenate([series] * 3, axis=2)),
        model(np.concatenate([series, series, -series], axis=2)),
    )
    assert np.abs(first - second).max() > 0.1


@pytest.mark.slow
def test_the_shipped_biases_are_what_the_script_fits(minirocket):
    fitted = minirocket_fit.biases(generate(minirocket_fit.SERIES, LENGTH, seed=0))
    np.testing.assert_allclose(minirocket.get_layer("proportions").get_weights()[0], fitted, rtol=0, atol=1e-4)


def test_deviations_are_of_groups_of_features():
    features = np.random.default_rng(0).normal(size=(50, 9996)).astype(np.float32)
    features[:, : 42 * dilations(LENGTH)[0][1]] *= 5
    found = minirocket_fit.deviations(features, LENGTH)
    assert found.shape == (len(dilations(LENGTH)), 2)
    np.testing.assert_allclose(found.ravel()[:3], [5, 1, 1], rtol=0.05)


def test_random_weights_are_other_biases():
    import keras

    keras.utils.set_random_seed(0)
    biases, deviations = build(None).get_layer("proportions").get_weights()
    assert 0.9 < biases.std() < 1.1
    np.testing.assert_array_equal(deviations, 1)


def test_nothing_in_it_trains(minirocket):
    minirocket.trainable = True
    assert minirocket.trainable_variables == []


def test_damaged_weights_are_refused_in_one_line(tmp_path):
    from safetensors.numpy import save_file

    (tmp_path / "text.safetensors").write_text("no weights")
    three = np.zeros(3, np.float32)
    save_file({"biases": three, "deviations": three}, tmp_path / "shape.safetensors")
    save_file({"other": three}, tmp_path / "other.safetensors")
    for name in ("text", "shape", "other", "missing"):
        with pytest.raises(ValueError, match=rf"^The weights '{name}.safetensors' do not fit minirocket: [^\n]*\.$"):
            build(tmp_path / f"{name}.safetensors")
