"""Fine-tuning from the command to the run: what trains and what does not, and that nothing ends it halfway."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time

import numpy as np
import pytest

from tlplug import load_plugin
from tlplug.backbones import load_keras
from tlplug.training.judgement import Judgement, confidence

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves variables

PLUGIN = """
import numpy as np
import tlplug

@tlplug.register_preprocess("grids", modality="grid", suffixes=(".npy",), default_backbone="convnet")
def make(options, files):
    return lambda source: {"grid": np.load(source)}

@tlplug.register_backbone("convnet", modality="grid", input_shape=(12, 12, 1))
def build(weights=None):
    import keras
    from keras import layers
    x = inputs = keras.Input((12, 12, 1), name="grid")
    for number, filters in enumerate((4, 8, 8)):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", name=f"conv{number}")(x)
        x = layers.BatchNormalization(name=f"norm{number}")(x)
        x = layers.ReLU(name=f"relu{number}")(x)
        x = layers.Dropout(0.2, name=f"drop{number}")(x)
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(x))

@tlplug.register_backbone("gaps", modality="grid", input_shape=(12, 12, 1))
def gaps(weights=None):
    import keras
    inputs = keras.Input((12, 12, 1), name="grid")
    x = keras.layers.Conv2D(4, 3, name="conv")(keras.ops.nan_to_num(inputs))
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))

@tlplug.register_backbone("deep", modality="grid", input_shape=(12, 12, 1))
def deep(weights=None):
    import keras
    x = inputs = keras.Input((12, 12, 1), name="grid")
    for number in range(6):
        x = keras.layers.Conv2D(4, 3, padding="same", name=f"conv{number}")(x * 0.1)
        x = keras.layers.BatchNormalization(name=f"norm{number}")(x)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))

@tlplug.register_backbone("unnamed", modality="grid", input_shape=(12, 12, 1))
def unnamed(weights=None):
    import keras
    inputs = keras.Input((12, 12, 1))
    x = keras.layers.Conv2D(4, 3, strides=2, name="conv")(inputs)
    x = keras.layers.Conv2D(4, 3, strides=2, name="top")(x)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))

@tlplug.register_augmentation("grid-flip", modality="grid", light=0.5)
def flip(arrays, generator, amount):
    return {"grid": arrays["grid"][::-1].copy() if generator.random() < amount else arrays["grid"].copy()}
"""


@pytest.fixture
def grids(tmp_path, cache, monkeypatch):
    """Stripes that rise and stripes that fall, in noise: 40 of each; and what names the plugin."""
    monkeypatch.setenv("TLPLUG_PLUGINS", "builtin")
    generator, folder = np.random.default_rng(0), tmp_path / "grids"
    (tmp_path / "grids.py").write_text(PLUGIN)
    rows, columns = np.indices((12, 12))
    for name, sign in (("rising", 1), ("falling", -1)):
        (folder / name).mkdir(parents=True)
        for number in range(40):
            wave = np.sin(1.2 * (rows + sign * columns) + generator.uniform(0, 6)) + generator.normal(0, 0.7, (12, 12))
            np.save(folder / name / f"{number}.npy", wave[..., None].astype(np.float32))
    return folder


@pytest.fixture
def train(cli, grids, tmp_path):
    """Train on the grids; return what the command printed."""

    def run(out, *arguments, data=grids):
        return cli("train", data, "--plugin", tmp_path / "grids.py", "--out", tmp_path / out, *arguments)

    return run


def weights(run):
    """The variables of a run's network and head, by path."""
    model = load_keras(run / "model" / "backbone" / "model.keras")
    with np.load(run / "model" / "head.npz") as head:
        return {**_values(model), **{name: head[name] for name in head.files}}


def _values(model):
    """Variables by path; generators of random numbers, which are numbered anew, start anew in every loaded model."""
    return {v.path: np.asarray(v.value) for v in model.variables if "seed_generator" not in v.path}


def original(tmp_path):
    """The network as it was before."""
    from tlplug.backbones import build_backbone, select_backbone

    load_plugin(tmp_path / "grids.py")
    return _values(build_backbone(select_backbone("convnet", modality="grid")).model)


def read_tuning(run):
    return json.loads((run / "run.json").read_text())["tuning"]


QUICK = ("--set", "tuning.patience=0", "--epochs", 4, "--learning-rate", 0.01)


def test_only_what_is_above_the_cut_moves(train, tmp_path):
    done = train("run", "--strategy", "fine-tune", "--stages", 1, *QUICK, "--json")
    assert done.code == 0, done.err
    before, after = original(tmp_path), weights(tmp_path / "run")
    moved = {path for path, value in before.items() if not np.array_equal(value, after[path])}
    assert moved == {"conv2/kernel", "conv2/bias"}  # no statistics, and nothing further down, by one bit
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (info["strategy"], info["tuning"]["stages"], info["tuning"]["epochs_trained"]) == ("fine-tune", 1, 4)
    assert info["tuning"]["parameters_trained"] == 8 * 8 * 9 + 8
    assert "its top stage tuned for 4 epochs" in train("again", "--strategy", "fine-tune", *QUICK).out


def test_everything_from_a_layer_up_trains(train, tmp_path):
    done = train("run", "--strategy", "fine-tune", "--unfreeze", "conv1", *QUICK)
    assert done.code == 0, done.err
    before, after = original(tmp_path), weights(tmp_path / "run")
    moved = {path for path, value in before.items() if not np.array_equal(value, after[path])}
    assert moved == {"conv1/kernel", "conv1/bias", "conv2/kernel", "conv2/bias"}


@pytest.mark.slow
def test_what_is_held_out_is_never_augmented(train, tmp_path):
    """At a rate that changes nothing, held-out examples are answered as before by a training on nothing but zeros."""
    slow = ("--learning-rate", 1e-8, "--epochs", 1, "--set", "tuning.warmup=0")
    assert train("run", "--strategy", "full", "--augment", "light", "--set", "tuning.views=1", *slow).code == 0
    plain = json.loads((tmp_path / "run" / "run.json").read_text())["tuning"]
    (tmp_path / "grids.py").write_text(PLUGIN.replace('arrays["grid"][::-1].copy() if', '0 * arrays["grid"] if'))
    (tmp_path / "grids.py").write_text((tmp_path / "grids.py").read_text().replace("light=0.5", "light=1.0"))
    assert train("zeros", "--strategy", "full", "--augment", "light", "--set", "tuning.views=1", *slow).code == 0
    zeros = json.loads((tmp_path / "zeros" / "run.json").read_text())["tuning"]
    for name in ("accuracy", "loss"):
        assert zeros["history"][0][f"validation_{name}"] == pytest.approx(plain["history"][0][f"validation_{name}"])
    assert zeros["history"][0]["loss"] != pytest.approx(plain["history"][0]["loss"], rel=1e-3)


def test_all_of_it_trains_and_learns(train, tmp_path):
    done = train("run", "--strategy", "full", "--epochs", 30, "--learning-rate", 0.02, "--json").json
    assert done["metrics"]["test"]["accuracy"] >= done["metrics"]["frozen"]["accuracy"] + 0.2
    before, after = original(tmp_path), weights(tmp_path / "run")
    assert all(np.array_equal(before[path], after[path]) for path in before if "moving" in path or "norm" in path)
    assert all(not np.array_equal(before[path], after[path]) for path in before if path.endswith("kernel"))
    report = (tmp_path / "run" / "report.html").read_text()
    assert "before the network was trained" in report
    assert "all of it tuned" in report


def test_an_array_may_have_gaps_that_the_network_knows_of(train, grids, tmp_path):
    for path in (grids / "rising").iterdir():
        grid = np.load(path)
        grid[3, 4] = np.nan
        np.save(path, grid)
    done = train("run", "--backbone", "gaps", "--strategy", "full", *QUICK)
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "run" / "run.json").read_text())["skipped"] == []


@pytest.mark.parametrize("strategy", ["full", "fine-tune"])
def test_an_input_need_not_have_a_name(train, strategy):
    done = train("run", "--backbone", "unnamed", "--strategy", strategy, *QUICK)
    assert done.code == 0, done.err


def test_from_scratch_normalizations_learn_their_statistics(train, tmp_path):
    assert train("run", "--strategy", "scratch", *QUICK).code == 0
    before, after = original(tmp_path), weights(tmp_path / "run")
    assert all(not np.array_equal(before[path], after[path]) for path in before if "moving" in path)


@pytest.mark.parametrize("head", ["linear", pytest.param("mlp", marks=pytest.mark.slow)])
def test_from_scratch_the_head_starts_afresh(train, tmp_path, head):
    """Fitted to what normalizations without statistics make of the grids, it starts at a loss of any size."""
    slow = ("--epochs", 1, "--learning-rate", 1e-8, "--set", "tuning.patience=0")
    done = train("run", "--backbone", "deep", "--strategy", "scratch", "--head", head, *slow)
    assert done.code == 0, done.err
    tuning = json.loads((tmp_path / "run" / "run.json").read_text())["tuning"]
    assert tuning["history_final"][0]["loss"] == pytest.approx(np.log(2), abs=0.3)


def test_predicting_needs_no_framework(train, tmp_path, imported):
    assert train("run", "--strategy", "fine-tune", *QUICK).code == 0
    predict = ("predict", tmp_path / "run", tmp_path / "grids", "--plugin", tmp_path / "grids.py")
    assert not imported(*predict) & {"tensorflow", "keras"}


def test_the_same_command_gives_the_same_run(train, tmp_path):
    for name in ("first", "second"):
        assert train(name, "--strategy", "full", "--augment", "light", *QUICK).code == 0
    first, second = weights(tmp_path / "first"), weights(tmp_path / "second")
    assert all(np.array_equal(value, second[path]) for path, value in first.items())
    assert (tmp_path / "first" / "metrics.json").read_bytes() == (tmp_path / "second" / "metrics.json").read_bytes()


def test_where_no_epoch_helps_the_frozen_model_remains(train, tmp_path):
    done = train("run", "--strategy", "full", "--learning-rate", 1e-8, "--epochs", 3)
    assert "the frozen model remains" in done.err
    assert "frozen, which no tuning improved, and the head" in done.out
    told, history = (read_tuning(tmp_path / "run")[name] for name in ("tuned_log_loss", "history"))
    assert told in [epoch["validation_loss"] for epoch in history]
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    assert info["tuning"]["epochs_trained"] == 0
    before, after = original(tmp_path), weights(tmp_path / "run")
    assert all(np.array_equal(before[path], after[path]) for path in before)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("full",), ("scratch", "--set", "tuning.patience=0")])
def test_a_rate_that_is_found(train, tmp_path, arguments):
    done = train("run", "--epochs", 8, "--learning-rate", "auto", "--strategy", *arguments)
    assert done.code == 0, done.err
    tuning = json.loads((tmp_path / "run" / "run.json").read_text())["tuning"]
    rate, found = tuning["learning_rate"], tuning["range_test"]
    assert f"Learning rate {rate:.1e}, found by a range test." in done.err
    assert 1e-4 < rate == found["rate"] < 0.5
    assert len(found["rates"]) == len(found["losses"]) <= 16  # 64 windows, 32 in a batch; or fewer of the choosing
    assert train("given", "--epochs", 8, "--learning-rate", rate, "--strategy", *arguments).code == 0
    found, given = weights(tmp_path / "run"), weights(tmp_path / "given")
    assert all(np.array_equal(value, given[path]) for path, value in found.items())


def test_what_differs_by_rounding_is_no_better():
    same = Judgement(0.9, -0.5, np.ones(1, bool))
    assert not Judgement(0.9, -0.5 + 1e-7, same.right).is_better(same)
    assert Judgement(0.9, -0.49, same.right).is_better(same)
    assert Judgement(0.91, -0.6, same.right).is_better(same)
    assert not Judgement(0.89, -0.1, same.right).is_better(same)


@pytest.mark.parametrize(
    ("before", "after", "low", "high"),
    [([1] * 50, [1] * 50, 0.5, 0.5), ([0] * 8 + [1] * 42, [1] * 50, 0.99, 1), ([1] * 50, [0] * 2 + [1] * 48, 0, 0.1)],
)
def test_the_confidence_of_a_bootstrap(before, after, low, high):
    assert low <= confidence(np.array(before, bool), np.array(after, bool), seed=0) <= high


START = """
import sys
from tlplug.cli import main
sys.argv = ["tlplug", *sys.argv[1:]]
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("how", "phase", "more"),
    [
        (signal.SIGKILL, "choosing", ("--set", "tuning.patience=8")),
        pytest.param(signal.SIGKILL, "final", ("--set", "tuning.patience=0"), marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, "choosing", ("--set", "tuning.patience=8"), marks=pytest.mark.slow),
        pytest.param(
            signal.SIGKILL,
            "choosing",
            ("--set", "tuning.patience=8", "--learning-rate", "auto"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_killed_run_that_goes_on_ends_as_if_nothing_had_happened(
    train, grids, tmp_path, python, cli, how, phase, more
):
    arguments = ("--strategy", "full", "--augment", "light", "--epochs", 12, *more)
    assert train("whole", *arguments).code == 0
    command = ("train", grids, "--plugin", tmp_path / "grids.py", "--out", tmp_path / "run", *arguments)
    process = python(START, *command)
    checkpoints = tmp_path / "run.partial" / "checkpoints"
    deadline = time.monotonic() + 120
    while not list(checkpoints.glob(f"*/{phase}-000003-*")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    if how == signal.SIGINT:
        again = f"tlplug train {grids} --resume {tmp_path / 'run'}"
        assert errors.splitlines()[-1] == f"Error: Interrupted. What was trained is kept. To go on, type: {again}"
    assert not (tmp_path / "run").exists()
    damaged = sorted(checkpoints.glob(f"*/{phase}-*"))[-1]
    damaged.write_bytes(damaged.read_bytes()[:-9])  # as a failing disk leaves it: the one before serves
    resumed = cli("train", grids, "--plugin", tmp_path / "grids.py", "--resume", tmp_path / "run")
    assert resumed.code == 0, resumed.err
    whole, run = weights(tmp_path / "whole"), weights(tmp_path / "run")
    assert all(np.array_equal(value, run[path]) for path, value in whole.items())
    assert (tmp_path / "whole" / "metrics.json").read_bytes() == (tmp_path / "run" / "metrics.json").read_bytes()
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert not (tmp_path / "run" / "request.json").exists()


def test_callbacks_of_keras_are_called_and_may_end_it(grids, tmp_path):
    import keras

    import tlplug

    class Second(keras.callbacks.Callback):
        epochs, steps = 0, 0

        def on_train_batch_end(self, batch, logs=None):
            Second.steps += 1

        def on_epoch_end(self, epoch, logs=None):
            Second.epochs += 1
            self.model.stop_training = logs["loss"] > 0 and epoch == 1

    load_plugin(tmp_path / "grids.py")
    options = {"tuning.patience": 0, "tuning.epochs": 9}
    model = tlplug.train(grids, strategy="full", options=options, callbacks=[Second()])
    assert (Second.epochs, len(model.info["tuning"]["history_final"])) == (2, 2)
    assert model.info["tuning"]["epochs_trained"] == 2
    assert Second.steps == 4  # 64 windows, 32 in a batch
    assert model.predict([grids / "rising" / "0.npy"])[0].label in model.classes


def test_what_a_callback_ended_does_not_go_on(grids, tmp_path):
    import keras

    import tlplug

    class Once(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    load_plugin(tmp_path / "grids.py")
    options = {"tuning.epochs": 9, "tuning.patience": 0}
    for callbacks in ([Once()], []):  # as after a kill between the last epoch and the run
        settings = {"options": options, "checkpoints": tmp_path / "kept", "callbacks": callbacks}
        model = tlplug.train(grids, strategy="full", **settings)
        assert len(model.info["tuning"]["history_final"]) == 1


def test_a_callback_goes_on_counting(grids, tmp_path):
    import keras

    import tlplug

    class Third(keras.callbacks.Callback):
        def __init__(self, ends):
            super().__init__()
            self.count, self.ends = 0, ends

        def on_epoch_end(self, epoch, logs=None):
            self.count += 1
            self.model.stop_training = self.count == 3

        def on_epoch_begin(self, epoch, logs=None):
            if epoch == self.ends:
                raise KeyboardInterrupt

    load_plugin(tmp_path / "grids.py")
    settings = {"options": {"tuning.epochs": 9, "tuning.patience": 0}, "checkpoints": tmp_path / "kept"}
    with pytest.raises(KeyboardInterrupt):
        tlplug.train(grids, strategy="full", callbacks=[Third(ends=2)], **settings)
    model = tlplug.train(grids, strategy="full", callbacks=[Third(ends=9)], **settings)
    assert model.info["tuning"]["epochs_trained"] == 3


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 1},
        pytest.param({"head": "prototype"}, marks=pytest.mark.slow),
        pytest.param({"data": "renamed"}, marks=pytest.mark.slow),
    ],
)
def test_checkpoints_of_something_else_are_not_gone_on_from(grids, tmp_path, changed):
    import tlplug

    load_plugin(tmp_path / "grids.py")
    options = {"tuning.epochs": 2, "tuning.patience": 0}
    tlplug.train(grids, strategy="full", options=options, checkpoints=tmp_path / "kept")
    if "data" in changed:
        (grids / "rising" / "0.npy").rename(grids / "rising" / "99.npy")
        changed = {}
    models = [
        tlplug.train(grids, strategy="full", options=options, checkpoints=folder, **changed)
        for folder in (tmp_path / "kept", None)
    ]
    kept, fresh = ([prediction.probabilities for prediction in model.predict([grids])] for model in models)
    assert kept == fresh


@pytest.mark.slow
def test_weights_that_the_last_step_made_no_number_leave_the_frozen_model(grids, tmp_path, notes):
    import keras

    import tlplug

    class Spoiler(keras.callbacks.Callback):
        trainings = 0

        def on_train_end(self, logs=None):
            Spoiler.trainings += 1
            if Spoiler.trainings == 2:  # the final training
                kernel = self.model.trainable_variables[0]
                kernel.assign(np.full(kernel.shape, np.nan))

    load_plugin(tmp_path / "grids.py")
    options = {"tuning.epochs": 30, "tuning.learning_rate": 0.02}
    model = tlplug.train(grids, strategy="full", options=options, callbacks=[Spoiler()])
    assert Spoiler.trainings == 2
    assert notes[-1].startswith("What was trained has weights that are no number. Lower the rate: ")
    assert model.info["tuning"]["epochs_trained"] == 0
    assert model.metrics["test"] == model.metrics["frozen"]


@pytest.mark.parametrize("step", ["train_on_batch", "predict_on_batch"])
def test_too_little_memory_says_which_setting_helps(train, monkeypatch, step):
    import keras
    import tensorflow as tf

    def exhausted(self, *arguments, **fields):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(keras.Model, step, exhausted)
    done = train("run", "--strategy", "full", "--epochs", 2)
    assert (done.code, "Lower --set tuning.batch_size, now 32, or train fewer stages" in done.err) == (1, True)


def test_a_disk_that_takes_no_checkpoint_ends_nothing(train, monkeypatch, tmp_path):
    from tlplug.training import checkpoint

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "replace_file", full)
    done = train("run", "--strategy", "full", *QUICK)
    assert (done.code, done.err.count("Cannot keep checkpoints in")) == (0, 1)
    assert "No space left on device" in done.err


@pytest.fixture
def unfinished(train, grids, tmp_path, monkeypatch):
    """A run that was interrupted after its first checkpoint."""
    from tlplug.training.checkpoint import Checkpoints

    save = Checkpoints.save

    def interrupted(self, epoch, state):
        save(self, epoch, state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", interrupted)
        train("run", "--strategy", "full", *QUICK)
    assert (tmp_path / "run.partial" / "request.json").is_file()
    return tmp_path / "run"


@pytest.mark.slow
@pytest.mark.parametrize("resumed", [False, True])
def test_a_mistake_in_the_next_command_costs_nothing(train, cli, grids, unfinished, resumed):
    kept = sorted(unfinished.with_name("run.partial").glob("checkpoints/*/*"))
    assert kept
    for mistake in (("--stages", 9), ("--head", "nothing")):
        assert train("run", "--strategy", "fine-tune", *mistake).code == 2
    assert train("run", "--strategy", "full", *QUICK, data=grids.with_name("none")).code == 2
    assert set(kept) <= set(unfinished.with_name("run.partial").glob("checkpoints/*/*"))
    done = resume(cli, grids, unfinished) if resumed else train("run", "--strategy", "full", *QUICK)
    assert done.code == 0, done.err
    assert ("what fits of it is gone on from" in done.err) != resumed
    assert train("whole", "--strategy", "full", *QUICK).code == 0
    resumed, whole = weights(unfinished), weights(unfinished.with_name("whole"))
    assert all(np.array_equal(value, whole[path]) for path, value in resumed.items())
    assert not (unfinished / "checkpoints").exists()


def test_weights_that_a_callback_goes_back_to_are_in_no_checkpoint(grids, tmp_path):
    import keras

    import tlplug
    from tlplug.errors import UsageError

    load_plugin(tmp_path / "grids.py")
    callbacks = [keras.callbacks.EarlyStopping("loss", restore_best_weights=True)]
    with pytest.raises(UsageError, match="Checkpoints do not keep the weights that a callback goes back to"):
        tlplug.train(grids, strategy="full", callbacks=callbacks, checkpoints=tmp_path / "kept")


def test_a_full_disk_while_the_run_is_written_costs_no_training(train, cli, grids, tmp_path, monkeypatch):
    from tlplug import model

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(model, "write_run", full)
        done = train("run", "--strategy", "full", *QUICK)
    assert done.code == 1
    again = f"tlplug train {grids} --resume {tmp_path / 'run'}"
    assert f"What was trained is kept. To go on, type: {again}" in done.err
    full = "Error: No space left on device. Make room there, or write to another place with --out."
    assert done.err.splitlines()[-1] == full
    monkeypatch.setattr("keras.Model.train_on_batch", lambda *_, **__: pytest.fail("it trained again"))
    assert resume(cli, grids, tmp_path / "run").code == 0


def resume(cli, data, run, *more):
    return cli("train", data, "--plugin", run.parent / "grids.py", "--resume", run, *more)


def test_a_run_does_not_go_on_with_other_data(cli, grids, unfinished):
    np.save(grids / "rising" / "0.npy", np.zeros((12, 12, 1), np.float32))
    (grids / "falling" / "1.npy").unlink()
    done = resume(cli, grids, unfinished)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "are not those that the run began with: 2 examples gone, 1 example new" in done.err
    assert unfinished.with_name("run.partial").exists()


def test_it_says_which_labels_and_which_parts_are_others(cli, grids, unfinished):
    (grids / "rising" / "0.npy").rename(grids / "falling" / "40.npy")
    done = resume(cli, grids, unfinished)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert re.search(r"the run began with: 1 example with another label(, \d+ examples? in another part)?\. ", done.err)


def test_examples_in_another_order_are_other_data(grids, tmp_path):
    from tlplug import load_data
    from tlplug.errors import DataError
    from tlplug.training import check_request, request_of

    load_plugin(tmp_path / "grids.py")
    data = load_data(grids)
    request = json.loads(json.dumps(request_of(data, {})))
    check_request(request, data)
    with pytest.raises(DataError, match=r"the run began with: another order, as files have other names\. "):
        check_request(request, data.take(np.arange(len(data))[::-1]))
    twice = data.take(np.array([0, *range(len(data))]))
    with pytest.raises(DataError, match=r"the run began with: 1 example new\. "):
        check_request(request, twice)


def test_a_run_of_another_version_is_not_gone_on_with(cli, grids, unfinished):
    request = unfinished.with_name("run.partial") / "request.json"
    request.write_text(request.read_text().replace('"version": 2', '"version": 1'))
    done = resume(cli, grids, unfinished)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "was begun by another version of tlplug" in done.err


def test_what_cannot_be_read_as_the_data_says_which_those_were(cli, grids, unfinished, tmp_path):
    (tmp_path / "other").mkdir()
    np.save(tmp_path / "other" / "0.npy", np.zeros((12, 12, 1), np.float32))
    done = resume(cli, tmp_path / "other", unfinished)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert f"'{tmp_path / 'other'}' does not have the data that the run began with, which were '{grids}': " in done.err
    assert "--label" not in done.err
    assert unfinished.with_name("run.partial").exists()


def test_data_that_are_left_out_are_named(cli, unfinished, grids, tmp_path):
    done = cli("train", "--resume", unfinished)
    again = f"Valid: tlplug train {grids} --resume {unfinished}."
    assert (done.code, done.err.count("\n"), again in done.err) == (2, 1, True)
    done = cli("train", "--resume", tmp_path / "none")
    assert (done.code, f"Valid: tlplug train DATA --resume {tmp_path / 'none'}." in done.err) == (2, True)


def test_it_takes_its_settings_from_the_run(cli, grids, unfinished):
    done = resume(cli, grids, unfinished, "--epochs", 3)
    assert (done.code, done.err) == (2, "Error: --resume takes all settings from the run: leave out --epochs.\n")
    assert resume(cli, grids, unfinished).code == 0


def test_there_must_be_something_to_go_on_with(cli, grids, tmp_path):
    done = resume(cli, grids, tmp_path / "none")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "There is no unfinished run" in done.err


def test_a_complete_run_does_not_go_on(train, cli, grids, tmp_path):
    assert train("run").code == 0
    done = resume(cli, grids, tmp_path / "run")
    assert (done.code, done.err) == (
        2,
        f"Error: The run '{tmp_path / 'run'}' is complete: there is nothing to go on with.\n",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--stages", 9), "has 3 stages. Received: 9. Valid: 1 (above "),
        (("--stages", 9), " (the whole network). Type: tlplug backbones convnet --stages"),
        (("--stages", 0), "At least one stage trains. Received: --stages 0. Valid: 1 or more."),
        (("--unfreeze", "conv9"), "has no layer 'conv9'. Valid: its layers, such as"),
        (("--unfreeze", "conv9"), ". Type: tlplug backbones convnet --stages"),
        (("--stages", 1, "--unfreeze", "conv1"), "Either --stages or --unfreeze says what trains. Received: both."),
        (("--set", "tuning.patience=-1"), "Option 'tuning.patience' is 0 or more. Received: '-1'."),
        (("--set", "tuning.mixup=much"), "Option 'tuning.mixup' takes a number. Received: 'much'. Valid: 0 or more."),
        (("--set", "tuning.warmup=2"), "Option 'tuning.warmup' is 0.9 or less. Received: '2'. Valid: 0 to 0.9."),
        (
            ("--set", "tuning.precision=float16"),
            "Option 'tuning.precision' cannot be 'float16'. Valid: float32, mixed_",
        ),
        (
            ("--set", "tuning.learning_rate=fast"),
            "takes a number. Received: 'fast'. Valid: a number such as 3e-4, or auto",
        ),
        (("--learning-rate", "0"), "is 1e-08 or more. Received: 0.0. Valid: a number such as 3e-4, or auto."),
        (("--learning-rate", "nan"), "takes a number. Received: nan. Valid: a number such as 3e-4, or auto."),
        (("--learning-rate", "fast"), "'fast' is neither a number nor 'auto'. Valid: --learning-rate 3e-4."),
        (("--set", "tuning.views=2"), "tuning.views counts augmented views: add --augment light, or strong."),
        (("--set", "tuning.rate=1"), "Unknown option 'tuning.rate'. Valid: tuning.epochs, "),
        (("--augment", "much"), "Unknown strength of augmentation 'much'."),
        (("--augment", "strong"), "There is no strong augmentation for the modality 'grid'."),
        (("--refit",), "--refit is for the strategy features alone"),
        (("--learning-rate", 1e30, "--set", "tuning.patience=0", "--epochs", 2), "The loss became no number in epoch"),
    ],
)
def test_what_does_not_fit_is_one_line(train, tmp_path, arguments, message):
    done = train("run", "--strategy", "fine-tune", *arguments)
    assert done.code in (1, 2)
    last = done.err.splitlines()[-1]
    assert last.startswith("Error: ")
    assert message in last
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "run.partial").exists()


def test_from_scratch_no_weights_are_chosen(train):
    done = train("run", "--strategy", "scratch", "--weights", "imagenet")
    message = "The strategy 'scratch' starts from random weights. Received: --weights imagenet. Valid: --strategy full."
    assert (done.code, done.err) == (2, f"Error: {message}\n")


def test_an_unknown_strength_is_named_before_the_strategy(train):
    done = train("run", "--augment", "heavy")
    assert (done.code, "Unknown strength of augmentation 'heavy'. Valid: none, light, strong." in done.err) == (2, True)


def test_settings_of_tuning_ask_for_a_strategy(train):
    for arguments in (
        ("--stages", 2),
        ("--augment", "light"),
        ("--set", "tuning.clip=2"),
        ("--set", "tuning.learning_rate=auto"),
        ("--learning-rate", "auto"),
        ("--learning-rate", "auto", "--head", "mlp"),
    ):
        done = train("run", *arguments)
        assert (done.code, "add --strategy fine-tune." in done.err) == (2, True)


def test_too_few_examples_to_choose_on(train, grids, tmp_path):
    few = tmp_path / "few"
    for name in ("rising", "falling"):
        (few / name).mkdir(parents=True)
        for number in range(3):
            shutil.copy(grids / name / f"{number}.npy", few / name)
    done = train("run", "--strategy", "full", data=few)
    assert done.code == 1
    assert "4 training examples are too few to choose the number of epochs on." in done.err
    assert train("run", "--strategy", "full", *QUICK, data=few).code == 0


def test_what_is_no_number_is_answered_wrongly():
    answers = np.array([[np.nan, np.nan], [0.2, 0.8]], np.float32)
    judged = Judgement.of(answers, np.array([0, 1]))
    assert judged.right.tolist() == [False, True]
    assert judged.fit == pytest.approx((np.log(1e-12) + np.log(0.8)) / 2)
