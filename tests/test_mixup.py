"""Mixup: the arithmetic, that seed and epoch alone say what is mixed, what has no average, and what is never mixed."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tlplug
from tlplug.backbones import load_keras
from tlplug.errors import UsageError
from tlplug.features import Window
from tlplug.training.batches import Batches
from tlplug.training.mixup import blend, mix

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves variables

DTYPES = st.sampled_from(["float16", "float32", "float64", "uint8"])


def batch_of(count, dtype, seed):
    """Arrays, targets and weights of a batch: no two windows are alike."""
    generator = np.random.default_rng(seed)
    arrays = {"values": generator.uniform(0, 255, (count, 3, 4, 2)).astype(dtype)}
    targets = np.eye(3, dtype=np.float32)[generator.integers(0, 3, count)]
    return arrays, targets, generator.uniform(0.5, 2, count).astype(np.float32)


@given(st.integers(1, 9), DTYPES, st.integers(0, 99), st.floats(0.01, 8))
@settings(deadline=None)
def test_a_batch_keeps_its_sums_and_types(count, dtype, seed, alpha):
    arrays, targets, weights = batch_of(count, dtype, seed)
    before = arrays["values"].copy()
    mixed, soft, counts = mix(arrays, targets, weights, alpha, np.random.default_rng(seed))
    values = mixed["values"]
    assert (values.shape, values.dtype, soft.dtype, counts.dtype) == (before.shape, dtype, np.float32, np.float32)
    np.testing.assert_array_equal(arrays["values"], before)
    np.testing.assert_allclose(soft.sum(axis=1), 1, atol=1e-6)
    # The other windows are a permutation: each goes in once, so the sums over the batch stay, but for rounding.
    np.testing.assert_allclose(soft.sum(axis=0), targets.sum(axis=0), atol=1e-5)
    assert counts.sum() == pytest.approx(weights.sum(), rel=1e-5)
    error = {"uint8": 0.5, "float16": 0.07}.get(dtype, 1e-4)  # of one value
    np.testing.assert_allclose(values.mean(0, np.float64), before.mean(0, np.float64), atol=error)
    assert values.min() >= before.min() - error
    assert values.max() <= before.max() + error


@given(st.integers(1, 9), DTYPES, st.integers(0, 99), st.floats(0, 1))
@settings(deadline=None)
def test_the_average_is_that_of_a_window_and_the_other(count, dtype, seed, share):
    arrays, targets, weights = batch_of(count, dtype, seed)
    others = np.random.default_rng(seed).permutation(count)
    mixed, soft, counts = blend(arrays, targets, weights, others, share)
    error = {"uint8": 0.5, "float16": 0.07}.get(dtype, 0) + 1e-4
    for n, other in enumerate(others):
        own, its = (arrays["values"][i].astype(np.float64) for i in (n, other))
        np.testing.assert_allclose(mixed["values"][n].astype(float), share * own + (1 - share) * its, atol=error)
        np.testing.assert_allclose(soft[n], share * targets[n] + (1 - share) * targets[other], atol=1e-6)
        assert counts[n] == pytest.approx(share * weights[n] + (1 - share) * weights[other], rel=1e-5)


@given(st.integers(1, 9), DTYPES, st.integers(0, 99))
@settings(deadline=None)
def test_a_share_of_one_keeps_the_batch_and_gaps_stay_gaps(count, dtype, seed):
    arrays, targets, weights = batch_of(count, dtype, seed)
    others = np.roll(np.arange(count), 1)
    mixed, soft, counts = blend(arrays, targets, weights, others, 1.0)
    np.testing.assert_array_equal(mixed["values"], arrays["values"])
    np.testing.assert_array_equal(soft, targets)
    np.testing.assert_array_equal(counts, weights)
    if dtype != "uint8":
        arrays["values"][0, 0, 0, 0] = np.nan
        assert np.isnan(blend(arrays, targets, weights, others, 1.0)[0]["values"]).sum() == 1
        gaps = np.isnan(blend(arrays, targets, weights, others, 0.5)[0]["values"])
        assert list(np.flatnonzero(gaps[:, 0, 0, 0])) == sorted({0, int(np.flatnonzero(others == 0)[0])})


def batches(mixup, seed=0):
    """Twenty windows of as many examples, whose one number is that of the example."""

    def read(windows):
        return {"number": np.array([[window.example] for window in windows], np.float32)}

    windows = {0: [[Window(n, (0, n), ((1,),))] for n in range(20)]}
    trunk = SimpleNamespace(store=SimpleNamespace(read=read))
    weights = np.linspace(1, 2, 20, dtype=np.float32)
    return Batches(trunk, windows, np.eye(20, dtype=np.float32), weights, 4, 1, seed, mixup)


def numbers(made, epoch):
    return np.concatenate([np.c_[arrays["number"], targets, weights] for arrays, targets, weights in made.epoch(epoch)])


def test_what_is_mixed_follows_from_seed_and_epoch_alone():
    made = {(seed, epoch): numbers(batches(0.4, seed), epoch) for seed in (0, 1) for epoch in (0, 1)}
    again = batches(0.4, 1)
    for epoch in (1, 0):  # a training that goes on begins with a later epoch
        np.testing.assert_array_equal(numbers(again, epoch), made[1, epoch])
    rows = [tuple(array.ravel()) for array in made.values()]
    assert len(set(rows)) == 4
    for array in made.values():
        np.testing.assert_allclose(array[:, 0], array[:, 1:21] @ np.arange(20), atol=1e-4)  # targets as the arrays


def test_the_order_is_that_without_it():
    plain, mixed = batches(0.0), batches(0.4)
    assert [mixed.plan(epoch) for epoch in (0, 1)] == [plain.plan(epoch) for epoch in (0, 1)]
    own, averaged = numbers(plain, 0), numbers(mixed, 0)
    assert set(own[:, 0]) == set(range(20))
    shares = averaged[np.arange(20), 1 + own[:, 0].astype(int)].reshape(5, 4)  # what is left of each window itself
    assert all(len({round(float(s), 5) for s in row if s < 0.9999}) <= 1 for row in shares)
    assert len({round(float(s), 5) for row in shares for s in row}) > 2


PLUGIN = """
import numpy as np
import tlplug

@tlplug.register_preprocess("rows", modality="row", default_backbone="dense")
def rows(options, files):
    return lambda source: {"numbers": source.astype("float32")}

@tlplug.register_preprocess("grids", modality="grid", default_backbone="pixels")
def grids(options, files):
    return lambda source: {"grid": source}

@tlplug.register_preprocess("ids", modality="ids", default_backbone="tokens")
def ids(options, files):
    return lambda source: {"ids": source.astype("int32"), "mask": np.ones(source.shape, "int32")}

@tlplug.register_preprocess("plain-ids", modality="plain", default_backbone="plain-tokens")
def plain(options, files):
    return lambda source: {"ids": source.astype("int32")}

@tlplug.register_backbone("dense", modality="row", input_shape=(12,))
def dense(weights=None):
    import keras
    x = inputs = keras.Input((12,), name="numbers")
    for number in range(2):
        x = keras.layers.Dense(8, activation="tanh", name=f"dense{number}")(x)
    return keras.Model(inputs, x)

@tlplug.register_backbone("pixels", modality="grid", input_shape=(6, 6, 1))
def pixels(weights=None):
    import keras
    inputs = keras.Input((6, 6, 1), name="grid", dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(6, 3, activation="relu", name="conv")(x)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))

@tlplug.register_backbone("tokens", modality="ids", input_shape=(12,))
def tokens(weights=None):
    import keras
    ids, mask = (keras.Input((12,), name=name, dtype="int32") for name in ("ids", "mask"))
    x = keras.layers.Embedding(20, 8, name="embedding")(ids)
    x = keras.layers.Dense(8, activation="tanh", name="dense")(x)
    x = keras.layers.Multiply()([x, keras.ops.expand_dims(keras.ops.cast(mask, "float32"), -1)])
    return keras.Model([ids, mask], keras.layers.GlobalAveragePooling1D()(x))

@tlplug.register_backbone("plain-tokens", modality="plain", input_shape=(12,))
def plain_tokens(weights=None):
    import keras
    ids = keras.Input((12,), name="ids", dtype="int32")
    x = keras.layers.Embedding(20, 8, name="embedding")(ids)
    x = keras.layers.Dense(8, activation="tanh", name="dense")(x)
    return keras.Model(ids, keras.layers.GlobalAveragePooling1D()(x))
"""


@pytest.fixture
def data(tmp_path, warm, monkeypatch):
    """Make a data set of 40 arrays of a modality, of two classes that overlap; the plugin is loaded."""
    monkeypatch.setenv("TLPLUG_PLUGINS", "builtin")
    (tmp_path / "networks.py").write_text(PLUGIN)
    tlplug.load_plugin(tmp_path / "networks.py")
    generator = np.random.default_rng(0)

    def make(modality):
        rows = [generator.normal(0.8 * (-1) ** n, 1.5, 12) for n in range(40)]
        arrays = [np.clip(np.rint(10 + 3 * row), 0, 19).astype(np.uint8) for row in rows]
        if modality == "grid":
            arrays = [np.resize(10 * array, (6, 6, 1)) for array in arrays]
        chosen = rows if modality == "row" else arrays
        return tlplug.load_data(chosen, labels=["even", "odd"] * 20, modality=modality)

    return make


QUICK = {"tuning.epochs": 2, "tuning.patience": 0, "tuning.learning_rate": 0.01, "tuning.batch_size": 8}


def tuned(model):
    """The weights of a model's network, by path."""
    network = load_keras(model.predictor.compiled.folder / "model.keras")
    return {variable.path: np.asarray(variable.value) for variable in network.variables}


@pytest.mark.parametrize(("modality", "strategy"), [("grid", "full"), ("plain", "fine-tune")])
def test_integers_that_are_amounts_are_mixed_and_so_is_what_a_cut_gives(data, modality, strategy):
    model = tlplug.train(data(modality), strategy=strategy, options={**QUICK, "tuning.mixup": 0.4})
    assert (model.info["tuning"]["mixup"], model.info["tuning"]["epochs_trained"]) == (0.4, 2)
    assert all(np.isfinite(value).all() for value in tuned(model).values())


@pytest.mark.slow
def test_a_training_that_goes_on_ends_with_the_same_weights(data, tmp_path, monkeypatch):
    from tlplug.training.checkpoint import Checkpoints

    split = data("row")

    def train(kept=None):
        options = {**QUICK, "tuning.mixup": 0.4, "tuning.epochs": 4}
        return tlplug.train(split, strategy="full", options=options, checkpoints=kept)

    save = Checkpoints.save

    def interrupted(self, epoch, state):
        save(self, epoch, state)
        if epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "kept")
    whole, resumed = tuned(train()), tuned(train(tmp_path / "kept"))
    assert all(np.array_equal(value, resumed[path]) for path, value in whole.items())


def test_what_is_held_out_is_never_mixed(data):
    """At a rate that changes nothing, mixed examples have another loss, held-out ones the same."""
    split = data("row")
    still = {"tuning.epochs": 2, "tuning.learning_rate": 1e-8, "tuning.batch_size": 8}
    models = [tlplug.train(split, strategy="full", options={**still, "tuning.mixup": mixup}) for mixup in (0.0, 5.0)]
    plain, mixed = (model.info["tuning"]["history"] for model in models)
    for before, after in zip(plain, mixed, strict=True):
        assert after["loss"] > before["loss"] + 0.02
        assert after["validation_loss"] == pytest.approx(before["validation_loss"], abs=1e-5)
        assert after["validation_accuracy"] == before["validation_accuracy"]
    assert models[0].metrics["validation"] == pytest.approx(models[1].metrics["validation"], abs=1e-5)


@pytest.mark.parametrize(
    ("modality", "arguments", "message"),
    [
        ("ids", {"strategy": "full"}, "all of it, takes ids (int32 [12]), mask (int32 [12]). Valid: no mixup, --set "),
        (
            "ids",
            {"strategy": "fine-tune"},
            "above the layer 'embedding', takes cut (float32 [12, 8]), mask (int32 [12]). Valid: no mixup, --set ",
        ),
        (
            "plain",
            {"strategy": "full"},
            "what trains of 'plain-tokens', all of it, takes ids (int32 [12]). Valid: --strategy fine-tune --stages 1,"
            " or no mixup, --set tuning.mixup=0.",
        ),
        ("plain", {"strategy": "fine-tune", "stages": 2}, "Valid: --stages 1, or no mixup, --set tuning.mixup=0."),
        ("plain", {"strategy": "auto"}, "Valid: --stages 1, or no mixup, --set tuning.mixup=0."),
        ("plain", {"strategy": "scratch"}, "takes ids (int32 [12]). Valid: no mixup, --set tuning.mixup=0."),
    ],
)
def test_what_has_no_average_is_refused_before_any_work(data, cache, modality, arguments, message):
    with pytest.raises(UsageError) as raised:
        tlplug.train(data(modality), options={"tuning.mixup": 0.2}, **arguments)
    assert "Received: --set tuning.mixup=0.2, and what trains of " in str(raised.value)
    assert message in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    assert not (cache / "features").exists()


def test_the_command_takes_it_and_refuses_what_is_no_parameter(cli, dots, tmp_path):
    folder = dots.write(tmp_path / "data")

    def train(value, *more):
        command = ("train", folder, "--out", tmp_path / "run", "--set", f"tuning.mixup={value}", *dots.plugins)
        return cli(*command, *more)

    full = ("--strategy", "full", "--epochs", 1, "--set", "tuning.patience=0")
    for value, message in (
        ("-1", "'tuning.mixup' is 0 or more. Received: '-1'."),
        ("inf", "'tuning.mixup' takes a number."),
    ):
        done = train(value, *full)
        assert (done.code, message in done.err) == (2, True)
    assert "add --strategy fine-tune." in train(0.2).err
    assert train(0.2, *full).code == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["tuning"]["mixup"] == 0.2
