"""Fine-tuning over several devices, in mixed precision, and with callbacks of Keras."""

from __future__ import annotations

import csv
import json
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tlplug
from tlplug.errors import UsageError
from tlplug.training.devices import shares
from tlplug.training.precision import choose_precision, computing_in, default_precision, followers

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves variables

QUICK = {"tuning.epochs": 3, "tuning.learning_rate": 0.01, "tuning.batch_size": 8}


@pytest.fixture
def data(vectors, tmp_path):
    """Files of eight numbers, 12 of each of three classes."""
    generator, folder = np.random.default_rng(0), tmp_path / "data"
    for place, name in enumerate(("low", "mid", "top")):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            numbers = generator.normal(0, 0.8, 8)
            numbers[place] += 1.5
            np.savetxt(folder / name / f"{number}.vec", numbers)
    return folder


@given(st.integers(1, 70), st.integers(1, 9), st.integers(0, 99))
@settings(deadline=None)
def test_the_mean_over_devices_is_that_of_the_batch(rows, count, seed):
    losses = np.random.default_rng(seed).normal(size=rows)
    divided = shares(rows, count)
    assert sorted(int(row) for own, factor in divided if factor for row in own) == list(range(rows))
    means = [np.mean(losses[own] * factor) for own, factor in divided]
    assert np.mean(means) == pytest.approx(losses.mean(), abs=1e-12)


DIVIDED = """
import sys
import tensorflow as tf
cpu, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 3)
"""

STEPS = """
import json
import numpy as np
from tlplug.backbones import import_keras
keras = import_keras()
from keras import layers
from tlplug.training.devices import ONE, Devices
from tlplug.training.optimizer import RatedAdamW, Schedule
from tlplug.training.precision import computing_in, followers, with_scaled_loss

generator = np.random.default_rng(0)
batches = [
    (generator.normal(0, 1, (n, 12, 12, 1)), np.eye(3)[generator.integers(0, 3, n)], generator.uniform(0.2, 2, n))
    for n in (8, 7, 1)
]
batches = [([x.astype("float32")], y.astype("float32"), w.astype("float32")) for x, y, w in batches]

def make(seed):
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input((12, 12, 1))
    x = layers.Conv2D(4, 3, strides=2, activation="relu", kernel_regularizer="l2")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model([inputs], layers.Dense(3, activation="softmax", dtype="float32")(x))

def train(devices, precision):
    model = devices.make(make, 0)
    with devices.scope():
        optimizer = RatedAdamW(Schedule(0.01, 20, 0.1), [1.0] * 4, global_clipnorm=0.05)
        optimizer = with_scaled_loss(optimizer, precision)
        model.compile(optimizer, "categorical_crossentropy", jit_compile=False)
        optimizer.build(model.trainable_variables)
    step = devices.step(model)
    with computing_in(precision, followers(model)):
        losses = [step(*batch)["loss"] for batch in batches]
    answers = model.predict_on_batch(batches[1][0])
    assert answers.shape == (7, 3)
    return np.array(losses), [np.asarray(variable.value) for variable in model.variables + optimizer.variables]

found = {}
for precision, counts in (("float32", (2, 3)), ("mixed_float16", (2,))):
    one = train(ONE, precision)
    for count in counts:
        several = Devices.found(count)
        assert several.count == count
        losses, values = train(several, precision)
        found[f"{precision} {count} losses"] = float(np.abs(losses - one[0]).max())
        found[f"{precision} {count}"] = max(float(np.abs(a - b).max()) for a, b in zip(values, one[1], strict=True))
assert Devices.found(1) is not None and Devices.found(1).count == 1
assert Devices.found(None).count == 3
print(json.dumps(found))
"""


@pytest.mark.slow
def test_several_devices_take_the_steps_of_one(python):
    process = python(DIVIDED + STEPS)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    found = json.loads(output.splitlines()[-1])
    assert {name: value for name, value in found.items() if value > 1e-5 and name.startswith("float32")} == {}
    assert {name: value for name, value in found.items() if value > 5e-3} == {}


WHOLE = """
import json, os
from pathlib import Path
import numpy as np
import keras
import tlplug
from tlplug.errors import TrainingError

data, folder, options = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
for plugin in sys.argv[4:]:
    tlplug.load_plugin(plugin)

def train(**given):
    asked = {**options, **{f"tuning.{name}": value for name, value in given.pop("tuning", {}).items()}}
    return tlplug.train(data, backbone="tanh", strategy="full", options=asked, **given)

class Stop(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt

def weights(model):
    saved = model.save(folder / f"run{len(os.listdir(folder))}") / "model"
    network = keras.models.load_model(saved / "backbone" / "model.keras")
    return [*np.load(saved / "head.npz").values(), *network.get_weights()]

whole = train()
try:
    train(checkpoints=folder / "kept", callbacks=[Stop()])
    raise SystemExit("it was not interrupted")
except KeyboardInterrupt:
    resumed = train(checkpoints=folder / "kept")
one = train(tuning={"devices": 1})
try:
    train(tuning={"learning_rate": 1e30})
    raise SystemExit("it learned at that rate")
except TrainingError as error:
    message = str(error)
values = [weights(model) for model in (whole, resumed, one)]
print(json.dumps({
    "devices": [model.info["tuning"]["devices"] for model in (whole, resumed, one)],
    "same": all(np.array_equal(a, b) for a, b in zip(values[0], values[1], strict=True)),
    "off": max(float(np.abs(a - b).max()) for a, b in zip(values[0], values[2], strict=True)),
    "accuracy": [model.metrics["test"]["accuracy"] for model in (whole, one)],
    "message": message,
}))
"""


@pytest.mark.slow
def test_a_training_on_several_devices(data, tmp_path, python):
    (tmp_path / "runs").mkdir()
    options = json.dumps({**QUICK, "tuning.patience": 0})
    process = python(DIVIDED + WHOLE, data, tmp_path / "runs", options, tmp_path / "vectors.py")
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    found = json.loads(output.splitlines()[-1])
    assert found["devices"] == [3, 3, 1]
    assert found["same"] is True  # with checkpoints in between
    assert found["off"] < 1e-4
    assert found["accuracy"][0] == found["accuracy"][1]
    assert "The loss became no number in epoch 1." in found["message"]


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [([], "float32"), ([(7, 0)], "mixed_float16"), ([(8, 6), (6, 1)], "float32"), ([(9, 0), None], "float32")],
)
def test_the_precision_that_the_hardware_is_fast_in(capabilities, precision):
    assert default_precision(capabilities) == precision


def trained(data, *, callbacks=(), checkpoints=None, **options):
    given = {**QUICK, **{f"tuning.{name}": value for name, value in options.items()}}
    kept = {"callbacks": callbacks, "checkpoints": checkpoints}
    return tlplug.train(data, backbone="tanh", strategy="full", options=given, **kept)


def saved(model, run):
    """The variables of a model that is saved, and the policies of its layers."""
    from tlplug.backbones import load_keras

    network = load_keras(model.save(run) / "model" / "backbone" / "model.keras")
    with np.load(run / "model" / "head.npz") as head:
        values = [*(np.asarray(variable.value) for variable in network.weights), *head.values()]
    return values, {layer.dtype_policy.name for layer in network._flatten_layers()}


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_a_network_trained_in_mixed_precision_is_an_ordinary_one(data, tmp_path, precision):
    import keras

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    mixed = {"patience": 0, "precision": precision}
    plain, whole = trained(data, patience=0), trained(data, **mixed)
    assert (plain.info["tuning"]["precision"], whole.info["tuning"]["precision"]) == ("float32", precision)
    with pytest.raises(KeyboardInterrupt):
        trained(data, **mixed, checkpoints=tmp_path / "kept", callbacks=[Stop()])
    resumed = trained(data, **mixed, checkpoints=tmp_path / "kept")
    runs = [saved(model, tmp_path / name) for model, name in ((plain, "a"), (whole, "b"), (resumed, "c"))]
    assert [policies for _, policies in runs] == [{"float32"}] * 3
    for a, b, c in zip(*(values for values, _ in runs), strict=True):
        assert b.dtype == np.float32
        np.testing.assert_allclose(a, b, atol=0.05)
        np.testing.assert_array_equal(b, c)  # the scale of the loss is kept as well
    assert not np.array_equal(runs[0][0][0], runs[1][0][0])  # it did compute in 16 bits


def test_layers_of_somebody_s_own_compute_in_float32(notes):
    import keras
    import tensorflow as tf

    class Own(keras.layers.Layer):
        def build(self, shape):
            self.raw = tf.Variable(np.eye(shape[-1], dtype=np.float32))

        def call(self, inputs):
            return tf.matmul(inputs, self.raw)

    class Proud(Own):
        def __init__(self):
            super().__init__(autocast=False)

    def network(layer):
        inputs = keras.Input((4,))
        hidden = layer(keras.layers.Dense(4)(inputs))
        return keras.Model(inputs, keras.layers.Dense(2)(hidden))

    model = network(Own())
    assert choose_precision("mixed_float16", model) == "mixed_float16"
    with computing_in("mixed_float16", followers(model)):
        assert [layer.compute_dtype for layer in model.layers[1:]] == ["float16", "float32", "float16"]
        assert model(np.ones((1, 4), np.float32)).dtype == tf.float16
    assert model(np.ones((1, 4), np.float32)).dtype == tf.float32
    assert notes == []
    assert choose_precision("mixed_float16", network(Proud())) == "float32"
    assert "cannot compute in mixed_float16 and is trained in float32" in notes[0]


def events(folder):
    """The scalars that were written into a folder: name to step to value."""
    import tensorflow as tf

    found = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                found.setdefault(value.tag, {})[event.step] = float(tf.make_ndarray(value.tensor))
    return found


def command(data, *arguments):
    return ("train", data, "--backbone", "tanh", "--plugin", data.parent / "vectors.py", *arguments)


def test_figures_are_written_for_tensorboard(data, cli, tmp_path):
    board, run = tmp_path / "board", tmp_path / "run"
    settings = [f"--set={name}={value}" for name, value in QUICK.items()]
    done = cli(*command(data, "--strategy", "full", *settings, "--out", run, "--tensorboard", board))
    assert done.code == 0, done.err
    tuning = json.loads((run / "run.json").read_text())["tuning"]
    for phase, history in (("choosing", tuning["history"]), ("final", tuning["history_final"])):
        found = events(board / phase)
        assert found.keys() == {*history[0], "learning_rate"}
        for name in history[0]:
            assert found[name] == pytest.approx({n: figures[name] for n, figures in enumerate(history, 1)}, rel=1e-6)
        assert all(0 <= rate <= 0.01 for rate in found["learning_rate"].values())


def test_what_tensorboard_cannot_be_given_is_one_line(data, cli, tmp_path):
    done = cli(*command(data, "--tensorboard", tmp_path / "board"))
    assert (done.code, done.err) == (
        2,
        "Error: --tensorboard is for a backbone that trains: add --strategy fine-tune.\n",
    )
    (tmp_path / "file").write_text("")
    done = cli(*command(data, "--strategy", "full", "--tensorboard", tmp_path / "file"))
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "Cannot write for TensorBoard into" in done.err


def test_callbacks_of_keras_do_their_work(data, tmp_path):
    import keras

    lines = []
    callbacks = [
        keras.callbacks.CSVLogger(tmp_path / "log.csv", append=True),
        keras.callbacks.EarlyStopping(monitor="val_accuracy", patience=1, min_delta=2.0),
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="val_loss", save_best_only=True),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: lines.append((epoch, sorted(logs)))),
        keras.callbacks.TerminateOnNaN(),
    ]
    model = trained(data, epochs=6, callbacks=callbacks)
    history, final = model.info["tuning"]["history"], model.info["tuning"].get("history_final", [])
    assert len(history) == 2  # no accuracy rises by 200%, so the callback ends it after its patience
    names = ["loss", "val_accuracy", "val_loss"]
    assert lines == [(0, names), (1, names), *((n, ["loss"]) for n in range(len(final)))]
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_loss"]) for row in rows[:2]] == [figures["validation_loss"] for figures in history]
    best = keras.models.load_model(tmp_path / "best.keras")
    assert type(best.optimizer).__name__ == "RatedAdamW"
    assert best.optimizer.learning_rate is not None


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("TensorBoard", {"log_dir": "logs"}, "needs the package tensorboard, which is not installed. Type: pip "),
        ("ReduceLROnPlateau", {}, "The callback ReduceLROnPlateau sets the rate, which has a warm-up"),
    ],
)
def test_callbacks_that_cannot_are_refused_before_any_work(data, monkeypatch, name, fields, message):
    import keras

    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(UsageError, match=message):
        trained(data, callbacks=[getattr(keras.callbacks, name)(**fields)])


def test_the_callback_tensorboard_of_keras(data, tmp_path):
    pytest.importorskip("tensorboard")
    import keras

    trained(data, patience=0, callbacks=[keras.callbacks.TensorBoard(tmp_path / "board")])
    assert list((tmp_path / "board" / "final" / "train").glob("events.out.tfevents.*"))
