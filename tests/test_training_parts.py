"""The parts of fine-tuning: the batches of an epoch, the rate, the optimizer, and checkpoints."""

from __future__ import annotations

import collections
import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlplug.features import Window
from tlplug.training.batches import Batches, in_batches
from tlplug.training.checkpoint import KEPT, Checkpoint, Checkpoints

SHAPES = [((4,),), ((8,),), ((8, 2),)]


def batches(counts, *, size=4, most=3, views=(0,), seed=0):
    """Windows of examples: as many as `counts` says, their shapes in turn."""
    windows = {
        view: [
            [Window(example, (view, 100 * example + n), SHAPES[(example + n) % 3]) for n in range(count)]
            for example, count in enumerate(counts)
        ]
        for view in views
    }
    weights = np.linspace(1, 2, len(counts), dtype=np.float32)
    return Batches(SimpleNamespace(), windows, np.eye(len(counts), dtype=np.float32), weights, size, most, seed)


@given(st.lists(st.integers(1, 7), min_size=1, max_size=12), st.integers(1, 5), st.integers(1, 4), st.integers(0, 9))
@settings(deadline=None)
def test_an_epoch_has_every_example_by_its_weight(counts, size, most, epoch):
    made = batches(counts, size=size, most=most)
    plan = made.plan(epoch)
    drawn = collections.Counter()
    weight = collections.Counter()
    for windows, weights in plan:
        assert 1 <= len(windows) <= size
        assert len({window.shapes for window in windows}) == 1
        for window, share in zip(windows, weights, strict=True):
            drawn[window.example] += 1
            weight[window.example] += share
    assert drawn == {example: min(count, most) for example, count in enumerate(counts)}
    places = [window.place for windows, _ in plan for window in windows]
    assert len(set(places)) == len(places)
    scale = weight[0] / made.weights[0]
    assert all(math.isclose(weight[n], scale * made.weights[n], rel_tol=1e-6) for n in range(len(counts)))
    assert math.isclose(sum(weight.values()), sum(drawn.values()), rel_tol=1e-6)  # a mean weight of 1


def test_the_order_depends_on_seed_and_epoch_alone():
    plans = [batches([3] * 9, seed=seed).plan(epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert batches([3] * 9, seed=1).plan(1) == plans[3]
    assert all(plans[i] != plans[j] for i in range(4) for j in range(i))


def test_with_views_the_example_itself_is_left_out():
    made = batches([1] * 40, views=(0, 1, 2))
    views = {window.place[0] for epoch in range(3) for windows, _ in made.plan(epoch) for window in windows}
    assert views == {1, 2}


def test_windows_of_one_shape_go_through_together():
    windows = [Window(0, (0, n), SHAPES[n % 3]) for n in range(20)]
    groups = list(in_batches(windows, 4))
    assert sorted(position for group in groups for position in group) == list(range(20))
    assert all(len({windows[p].shapes for p in group}) == 1 and len(group) <= 4 for group in groups)


def test_the_rate_rises_and_falls():
    from tlplug.training.optimizer import Schedule

    schedule = Schedule(0.1, 100, 0.1)
    rates = [float(schedule(step)) for step in range(100)]
    assert rates[0] == pytest.approx(0.01)
    assert rates.index(max(rates)) in (9, 10)
    assert max(rates) == pytest.approx(0.1)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))
    assert rates[55] == pytest.approx(0.05, rel=0.02)
    assert rates[-1] < 1e-4
    again = Schedule(**schedule.get_config())
    assert [float(again(step)) for step in (0, 50)] == [rates[0], rates[50]]


def test_each_variable_has_a_rate_of_its_own():
    import keras

    from tlplug.training.optimizer import RatedAdamW, Schedule

    variables = [keras.Variable(np.ones(2, np.float32)) for _ in range(3)]
    optimizer = RatedAdamW(Schedule(0.1, 10, 0.0), [1.0, 0.5, 0.0], weight_decay=0.0)
    optimizer.apply([np.ones(2, np.float32)] * 3, variables)
    moved = [1 - np.asarray(variable)[0] for variable in variables]
    assert moved[0] == pytest.approx(0.1, rel=1e-4)
    assert moved[1] == pytest.approx(0.05, rel=1e-4)
    assert moved[2] == 0


def test_each_variable_decays_at_its_own_rate():
    import keras

    from tlplug.training.optimizer import RatedAdamW

    variables = [keras.Variable(np.ones(2, np.float32), name=name) for name in ("a", "b", "c", "bias")]
    optimizer = RatedAdamW(0.1, [1.0, 0.5, 0.0, 1.0], weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.apply([np.zeros(2, np.float32)] * 4, variables)
    assert [float(np.asarray(variable)[0]) for variable in variables] == pytest.approx([0.95, 0.975, 1.0, 1.0])
    assert optimizer.get_config()["weight_decay"] == 0.5


@pytest.fixture
def small_network():
    """A network of one weight matrix and a head, not trained."""
    import keras

    from tlplug.training.trainer import Network

    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    top = keras.Model(inputs, keras.layers.Dense(3, use_bias=False)(inputs))
    embedding = keras.Input((3,))
    head = keras.Model(embedding, keras.layers.Dense(2, activation="softmax")(embedding))
    return Network(top, head, {}, lambda rows: rows.mean(axis=0))


def one_step(network, **options):
    """Train for one step on one batch; return its loss, and by how much the first weight matrix has moved at most."""
    from tlplug.training.settings import OPTIONS
    from tlplug.training.trainer import compile_network

    generator = np.random.default_rng(0)
    inputs, targets = generator.normal(size=(8, 4)).astype(np.float32), np.eye(2, dtype=np.float32)[[0, 1] * 4]
    before = network.top.get_weights()[0]
    defaults = {option.name: option.default for option in OPTIONS}
    model = compile_network(network, {**defaults, "weight_decay": 0.0, **options}, 0.1)
    probabilities = model.predict_on_batch(inputs)
    loss = float(model.train_on_batch(inputs, targets, np.ones(8, np.float32)))
    return loss, probabilities, targets, np.abs(network.top.get_weights()[0] - before).max()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_labels_are_smoothed(small_network, smoothing):
    loss, probabilities, targets, _ = one_step(small_network, label_smoothing=smoothing)
    smooth = targets * (1 - smoothing) + smoothing / 2
    assert loss == pytest.approx(float(-(smooth * np.log(probabilities)).sum(axis=1).mean()), rel=1e-4)


def test_gradients_are_clipped(small_network):
    """To a norm that is nothing beside the epsilon of the optimizer, so that nothing moves."""
    assert one_step(small_network, clip=1e-12)[-1] < 1e-5
    assert one_step(small_network, clip=0.0)[-1] > 0.05


def state(number):
    return Checkpoint({"weights": np.full(4, number, np.float32)}, {"epoch": number, "history": [{"loss": 0.5}]})


def test_the_last_two_checkpoints_are_kept(tmp_path):
    kept = Checkpoints(tmp_path / "checkpoints", "final")
    assert kept.latest() is None
    for number in range(1, 12):
        kept.save(number, state(number))
    assert len(list((tmp_path / "checkpoints").iterdir())) == KEPT == 2
    latest = kept.latest()
    assert latest.values == {"epoch": 11, "history": [{"loss": 0.5}]}
    np.testing.assert_array_equal(latest.arrays["weights"], np.full(4, 11, np.float32))
    assert Checkpoints(tmp_path / "checkpoints", "choosing").latest() is None


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: b"", lambda data: data[:99] + b"?" + data[100:]]
)
def test_a_damaged_one_is_passed_over_and_noted(tmp_path, damage, notes):
    kept = Checkpoints(tmp_path, "final")
    kept.save(1, state(1))
    kept.save(2, state(2))
    last = sorted(tmp_path.iterdir())[-1]
    last.write_bytes(damage(last.read_bytes()))
    assert kept.latest().values["epoch"] == 1
    assert notes == [f"The checkpoint {str(last)!r} is damaged: the one before it serves, or the beginning."]


def test_without_a_folder_nothing_is_kept():
    kept = Checkpoints(None, "final")
    kept.save(1, state(1))
    assert kept.latest() is None
