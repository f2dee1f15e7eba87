"""The learning rate that a range test finds."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tlplug import progress
from tlplug.features import Window
from tlplug.training.batches import Batches
from tlplug.training.rate_finder import (
    BELOW,
    LEAST,
    STEPS,
    TOLERANCE,
    RangeTest,
    RateFinder,
    _Course,
    run_range_test,
)
from tlplug.training.settings import Tuning
from tlplug.training.trainer import Network, variables_of

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves variables

OPTIONS = {"learning_rate": "auto", "weight_decay": 0.0, "clip": 1.0, "label_smoothing": 0.0, "batch_size": 16}


def tuning(strategy):
    return Tuning(strategy, None, None, "none", OPTIONS)


def network(scale=1.0, dropout=0.0, factor=1.0):
    """Four numbers in; the class is the sign of the first two's sum, in noise, which the head knows."""
    import keras

    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,), name="values")
    top = keras.Model(inputs, keras.layers.Dropout(dropout)(keras.layers.Dense(4, name="dense")(inputs)))
    top.get_layer("dense").set_weights([np.eye(4, dtype=np.float32), np.zeros(4, np.float32)])
    head = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    kernel = np.zeros((4, 2), np.float32)
    kernel[:2] = -0.03 * scale, 0.03 * scale
    head.set_weights([kernel, np.zeros(2, np.float32)])
    return Network(
        top, head, {variable.path: factor for variable in top.weights + head.weights}, lambda rows: rows.mean(axis=0)
    )


def batches(values):
    labels = (values @ (1, 1, 0, 0) > np.random.default_rng(1).normal(scale=30, size=len(values))).astype(int)
    windows = [[Window(number, (0, number), ((4,),))] for number in range(len(values))]

    def read(chosen):
        return {"values": values[[window.example for window in chosen]]}

    trunk = SimpleNamespace(store=SimpleNamespace(read=read))
    targets = np.eye(2, dtype=np.float32)[labels]
    return Batches(trunk, {0: windows}, targets, np.ones(len(values), np.float32), 16, 8, 0)


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(scale=30, size=(64, 4)).astype(np.float32)


def state(net):
    import keras

    model = keras.Model(net.top.inputs, net.head(net.top.outputs[0]))
    return [np.array(variable.value) for variable in variables_of(model)]


def test_it_rises_until_the_loss_does_and_leaves_no_trace(values):
    net = network(dropout=0.3)
    before = state(net)
    found = run_range_test(net, batches(values), OPTIONS, 1000)
    assert all(np.array_equal(old, new) for old, new in zip(before, state(net), strict=True))
    assert found == run_range_test(net, batches(values), OPTIONS, 1000)
    assert len(found.rates) == len(found.losses) <= STEPS
    assert found.rates[0] == pytest.approx(1e-6)
    assert np.allclose(np.diff(np.log(found.rates)), math.log(1e6) / (STEPS - 1))
    after = found.rates.index(found.rises_at) + 1
    assert max(found.losses[:after]) <= found.start + TOLERANCE * math.log(2) < found.losses[after]
    assert found.rate == pytest.approx(found.rises_at / BELOW, rel=0.05)
    assert found.halved_at is None


@pytest.mark.parametrize(("start", "halved"), [(0.05, None), (0.07, 1e-5)])
def test_half_of_almost_nothing_is_noise(start, halved):
    course = _Course([start], math.log(5), 7)  # a guess among five classes; a step for each decade
    for rate, share in ((1e-6, 1.0), (1e-5, 0.1), (1e-4, 0.1), (1e-3, 0.1), (1e-2, 9.0)):
        course.add(rate, share * start)
    assert course.judge().halved_at == halved


def test_batches_are_compared_with_themselves(values):
    net, made = network(scale=3.0), batches(values * np.linspace(0.01, 3, 64, dtype=np.float32)[:, None])
    own = [
        float(np.mean(-np.log((net.head.predict_on_batch(net.top.predict_on_batch(a["values"])) * t).sum(axis=1))))
        for a, t, _ in made.epoch(0)
    ]
    found = run_range_test(net, made, OPTIONS, 1000)
    assert found.start == pytest.approx(np.mean(own), rel=1e-4)
    assert np.ptp(own) > 0.1 * found.start
    assert np.ptp(found.losses[:10]) < 1e-3 * found.start


def test_where_no_rate_can_be_told_the_default_serves(values, notes):
    for strategy, default in (("full", 3e-4), ("scratch", 1e-3)):
        finder = RateFinder(tuning(strategy), 0, None)
        assert finder.options_for(network(), batches(values[:16]), LEAST - 1)["learning_rate"] == default
        assert finder.to_json()["range_test"]["rate"] is None
    for net in (network(scale=math.nan), network(factor=0.0)):
        finder = RateFinder(tuning("full"), 0, None)
        assert finder.options_for(net, batches(values), 5)["learning_rate"] == 3e-4
        assert finder.to_json()["learning_rate"] == 3e-4
    assert notes == [
        "11 steps are too few to find a learning rate by. The default serves: 0.0003.",
        "11 steps are too few to find a learning rate by. The default serves: 0.001.",
        "No learning rate was found: the loss is no number from the start. The default serves: 0.0003.",
        "No learning rate was found: the loss does not rise up to a rate of 1.0e+00. The default serves: 0.0003.",
    ]


def test_a_rate_is_found_once(values, tmp_path, notes):
    finder, made = RateFinder(tuning("full"), 0, tmp_path), batches(values)
    rate = finder.options_for(network(), made, 5)["learning_rate"]
    assert finder.options_for(network(scale=math.nan), made, 5)["learning_rate"] == rate
    again = RateFinder(tuning("full"), 0, tmp_path)
    assert again.options_for(network(scale=math.nan), made, 5)["learning_rate"] == rate
    assert again.found == finder.found
    assert notes == [f"Learning rate {rate:.1e}, found by a range test."] * 2
    given = {**OPTIONS, "learning_rate": 0.01}
    finder = RateFinder(replace(tuning("full"), options=given), 0, None)
    assert (finder.options_for(network(), made, 5), finder.to_json()) == (given, {})


@pytest.fixture
def notes(monkeypatch):
    said = []
    monkeypatch.setattr(progress, "note", said.append)
    return said


def test_what_is_known_by_heart_sets_no_bound():
    rates = tuple(np.geomspace(1e-6, 1, 7))
    halved = RangeTest(0.4, rates, (0.4, 0.4, 0.3, 0.2, 0.0, 0.0, 9.0), rises_at=rates[5], halved_at=rates[3])
    assert halved.rate == pytest.approx(1e-3)
    assert replace(halved, halved_at=None).rate == pytest.approx(0.1 / 8, rel=0.05)
    assert replace(halved, rises_at=None).rate == pytest.approx(1e-3)
    assert replace(halved, rises_at=2e-6).rate is None
